"""Letters about money: what ``billing`` has to tell whoever pays, put into the outbox."""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction

from accounts.models import Workspace
from billing.shop import notices
from billing.shop.notices import Notice
from generation.outbox import letters
from generation.outbox.models import Letter

logger = logging.getLogger(__name__)


def write_due() -> None:
    """Write a letter for everything that is due, each in one transaction with the note that it is told."""
    for claim in notices.due():
        try:
            with transaction.atomic():
                notice = claim()
                if notice is not None:
                    _write(notice)
        except DatabaseError:  # one that cannot be told keeps no other from it
            logger.exception("A letter about money was not written")


def _write(notice: Notice) -> None:
    if not Workspace.objects.filter(id=notice.workspace).exists():  # erased, and its books are still there
        return
    letter = {"workspace_id": notice.workspace, "kind": notice.kind, "about": notice.workspace}
    if notice.address:
        to = [Letter(**letter, address=notice.address)]
    else:
        to = [Letter(**letter, user_id=user) for user in notices.payers(notice.workspace)]
    letters.write(to, occasion=notice.occasion)
