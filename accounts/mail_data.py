"""Mail goes where its workspace goes: what ``accounts.workspace_data`` asks, for the outbox, which knows no tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from loremotion.outbox.models import MailMessage

COLUMNS = ("content", "user__email", "address", "about", "state", "created_at", "ended_at")


def move(*, source: Workspace, into: Workspace) -> None:
    """Give all mail of ``source`` to ``into``, with what still waits to be sent."""
    MailMessage.objects.filter(workspace=source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: what was written is still sent, as far as it is still true."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield the list of mail that is still kept. It names clips by id alone: nothing that ``reader`` may not see."""
    written = list(MailMessage.objects.filter(workspace=workspace).order_by("id").values(*COLUMNS))
    yield ExportedFile("mail.json", json.dumps(written, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    MailMessage.objects.filter(workspace=workspace).delete()
