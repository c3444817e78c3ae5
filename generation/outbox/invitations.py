"""Letters with the link of an invitation: what ``accounts`` offers by mail, put into the outbox."""

from __future__ import annotations

from django.db import transaction

from accounts import invitations
from accounts.models import Invitation
from generation.outbox import letters
from generation.outbox.models import Letter

BATCH = 200


def write_due() -> None:
    """Write a letter for every offer that has none yet, in one transaction with the note that it is told."""
    with transaction.atomic():
        untold = Invitation.objects.select_for_update(skip_locked=True, no_key=True).filter(is_told=False)
        for offer in untold.order_by("sent_at")[:BATCH]:
            letter = Letter(workspace_id=offer.workspace_id, address=offer.email, kind="invitation")
            letter.about = offer.workspace_id
            letters.write([letter], occasion=invitations.occasion_of(offer))
            Invitation.objects.filter(id=offer.id).update(is_told=True)
