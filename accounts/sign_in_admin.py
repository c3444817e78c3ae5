"""How people sign in and what acts in their name, for superusers: rows that allauth keeps, called in our words.

What signing in or connecting an app makes is only looked at here and taken away, and no page shows what would let
somebody act as another.
"""

from __future__ import annotations

from typing import Any

# allauth's own page of a session only forgets the row: the device would stay signed in, and be on no list any more.
from allauth.idp.oidc.admin import ClientAdmin, TokenAdmin
from allauth.idp.oidc.models import Client, Token
from allauth.mfa.admin import AuthenticatorAdmin
from allauth.mfa.models import Authenticator
from allauth.socialaccount.admin import SocialAccountAdmin, SocialTokenAdmin
from allauth.socialaccount.models import SocialAccount, SocialToken
from allauth.usersessions.admin import UserSessionAdmin
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import sessions

admin.site.unregister([Authenticator, Client, SocialAccount, SocialToken, Token, UserSession])


class MadeBySigningIn(admin.ModelAdmin[Any]):
    """Rows that nobody writes by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(UserSession)
class SessionAdmin(MadeBySigningIn, UserSessionAdmin):  # type: ignore[misc]  # allauth has no types
    list_display = ("user", "device", "ip_address", "created_at", "last_seen_at")
    search_fields = ("user__email__exact",)  # allauth's ask for a user name, and ours have none
    search_help_text = "The whole address of an account"
    fields = ("user", "ip_address", "created_at", "last_seen_at", "user_agent")
    readonly_fields = ("ip_address",)

    @admin.display()
    def device(self, session: UserSession) -> str:
        return sessions.device_named_by(session.user_agent)

    @admin.display(description="IP address", ordering="ip")
    def ip_address(self, session: UserSession) -> str:
        return str(session.ip)

    def headline(self, session: UserSession) -> str:
        return f"{session.user}: {self.device(session)}"

    def delete_model(self, request: HttpRequest, obj: UserSession) -> None:
        obj.end()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UserSession]) -> None:
        for session in queryset:
            session.end()


@admin.register(Authenticator)
class SecondFactorAdmin(MadeBySigningIn, AuthenticatorAdmin):  # type: ignore[misc]  # allauth has no types
    fields = ("user", "type", "created_at", "last_used_at")

    def headline(self, factor: Authenticator) -> str:
        return f"{factor.user}: {factor.get_type_display()}"


@admin.register(SocialAccount)
class AccountAtProviderAdmin(MadeBySigningIn, SocialAccountAdmin):  # type: ignore[misc]  # allauth has no types
    fields = ("user", "provider", "uid", "date_joined", "last_login")

    def headline(self, account: SocialAccount) -> str:
        return f"{account.user} at {account.provider}"


@admin.register(SocialToken)
class TokenOfProviderAdmin(MadeBySigningIn, SocialTokenAdmin):  # type: ignore[misc]  # allauth has no types
    list_display = ("app", "account", "expires_at")
    fields = ("app", "account", "expires_at")

    def headline(self, token: SocialToken) -> str:
        return f"Token of {token.account}"


@admin.register(Token)
class TokenOfAppAdmin(MadeBySigningIn, TokenAdmin):  # type: ignore[misc]  # allauth has no types
    fields = ("client", "type", "user", "scopes", "created_at", "expires_at")

    def headline(self, token: Token) -> str:
        return f"{token.get_type_display()} of {token.client}"


@admin.register(Client)
class ConnectedAppAdmin(ClientAdmin):  # type: ignore[misc]  # allauth has no types
    """Its secret is shown once, when it is added; what is kept is a hash of it, which says nothing."""

    readonly_fields = ("created_at",)
    exclude = ("secret", "data")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in _OF_APPS:
            field.help_text = _OF_APPS[db_field.name]
        return field


_OF_APPS = {
    "scopes": "What it may ask for, one on a line.",
    "default_scopes": "What it gets if it asks for nothing, one on a line.",
    "grant_types": "How it gets its tokens, one on a line, such as authorization_code.",
    "redirect_uris": "Where people are sent back to once they agreed, one on a line.",
    "cors_origins": "Whose pages may ask from the browser, one on a line.",
    "allow_uri_wildcards": "Whether an address above may have one * for its subdomains.",
    "response_types": "What its first request may ask for, one on a line, such as code.",
    "skip_consent": "Whether people are not asked before they are connected.",
}
"""Field → what it means."""
