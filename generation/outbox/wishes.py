"""Who wants a mail when a clip has ended. A wish is granted once: by the transaction that ends the clip."""

from __future__ import annotations

from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.models import User
from generation.models import Generation, State
from generation.outbox import letters
from generation.outbox.models import Letter, Wish
from loremotion.refusals import Conflict

TOLD = (State.SUCCEEDED, State.FAILED, State.BLOCKED)
"""Who cancels a clip knows that it has ended."""


def ask(generation: Generation, *, user: User) -> None:
    """Mail ``user`` when it has ended. Twice is once.

    Raises:
        Conflict: it has ended already, or the user's address is not proved.
    """
    if not has_proved_address(user):
        raise Conflict(
            "address_not_proved", "Your address is not proved yet.", next_step="Prove it on your account page."
        )
    with transaction.atomic():
        # Locked: whoever ends it waits, and then finds the wish.
        present = Generation.objects.select_for_update(no_key=True).get(id=generation.id)
        if not present.is_open:
            raise Conflict("already_ended", "This clip has ended already.", next_step="It is on its page.")
        Wish.objects.get_or_create(generation=generation, user=user)


def take_back(generation: Generation, *, user: User) -> None:
    Wish.objects.filter(generation=generation, user=user).delete()


def has_asked(generation: Generation, *, user: User) -> bool:
    return Wish.objects.filter(generation=generation, user=user).exists()


def grant(generation_id: UUID, state: str) -> None:
    """Write the letters. Call it in the transaction that ended the generation."""
    wishes = list(Wish.objects.filter(generation=generation_id).values_list("user", "generation__workspace"))
    if not wishes:
        return
    Wish.objects.filter(generation=generation_id).delete()
    if state in TOLD:
        written = [
            Letter(user_id=user, workspace_id=workspace, kind="clip_ended", about=generation_id)
            for user, workspace in wishes
        ]
        letters.write(written, occasion=str(generation_id))


def has_proved_address(user: User) -> bool:
    is_proved: bool = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()
    return is_proved
