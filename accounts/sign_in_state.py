"""What somebody has set up to sign in by, as their account page sums it up."""

from __future__ import annotations

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings

from accounts.models import User


@dataclass(frozen=True, slots=True)
class SignInState:
    """``providers`` are those that are connected, by name; ``are_providers_offered``: whether any can be."""

    is_address_confirmed: bool
    address_to_confirm: str
    """One that was asked for and not confirmed yet, which takes the place of the present one; empty without."""
    has_password: bool
    passkeys: int
    has_authenticator_app: bool
    recovery_codes_left: int
    providers: tuple[str, ...]
    are_providers_offered: bool

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone lets nobody in."""
        return self.has_authenticator_app or self.passkeys > 0


def sign_in_state_of(user: User) -> SignInState:
    """Three queries; two where no provider is offered."""
    addresses = {address.email.lower(): address.verified for address in EmailAddress.objects.filter(user=user)}
    kinds = Authenticator.Type
    found = list(Authenticator.objects.filter(user=user))
    codes = next((one for one in found if one.type == kinds.RECOVERY_CODES), None)
    names = {str(provider["provider_id"]): str(provider["name"]) for provider in settings.SIGN_IN_PROVIDERS}
    connected = SocialAccount.objects.filter(user=user).values_list("provider", flat=True) if names else ()
    return SignInState(
        is_address_confirmed=addresses.get(user.email.lower(), False),
        address_to_confirm=next((email for email, is_confirmed in addresses.items() if not is_confirmed), ""),
        has_password=user.has_usable_password(),
        passkeys=sum(one.type == kinds.WEBAUTHN for one in found),
        has_authenticator_app=any(one.type == kinds.TOTP for one in found),
        recovery_codes_left=len(codes.wrap().get_unused_codes()) if codes is not None else 0,
        providers=tuple(dict.fromkeys(names.get(provider, provider) for provider in connected)),
        are_providers_offered=bool(names),
    )
