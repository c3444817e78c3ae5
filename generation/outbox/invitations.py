"""Letters with the link of an invitation: what ``accounts`` offers by mail, put into the outbox."""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction

from accounts import invitations
from accounts.models import Invitation
from generation.outbox import letters
from generation.outbox.models import Letter

logger = logging.getLogger(__name__)

BATCH = 200


def write_due() -> None:
    """Write a letter for every offer that has none yet, each in one transaction with the note that it is told."""
    untold = Invitation.objects.filter(is_told=False).order_by("sent_at")
    for offer_id in list(untold.values_list("id", flat=True)[:BATCH]):
        try:
            with transaction.atomic():
                _write(offer_id)
        except DatabaseError:  # one that cannot be told keeps no other from it
            logger.exception("The letter of an invitation was not written")


def _write(offer_id: int) -> None:
    untold = Invitation.objects.select_for_update(skip_locked=True, no_key=True).filter(is_told=False)
    offer = untold.filter(id=offer_id).first()
    if offer is None:  # taken back, told by another, or changed at this moment: then the next round tells it
        return
    letter = Letter(workspace_id=offer.workspace_id, address=offer.email, kind="invitation", about=offer.workspace_id)
    letters.write([letter], occasion=invitations.occasion_of(offer))
    Invitation.objects.filter(id=offer.id).update(is_told=True)
