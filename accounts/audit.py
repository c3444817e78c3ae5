"""The audit log: whatever changed access or money in a workspace. Written in the transaction that made the change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from accounts import networks
from accounts.models import AuditEntry, Workspace
from loremotion.csv_lines import csv_line
from loremotion.database import in_batches

COLUMNS = ("at", "event", "actor", "subject", "detail", "network")


def record(
    workspace: Workspace,
    event: str,
    *,
    actor: str,
    subject: str = "",
    request: HttpRequest | None = None,
    **detail: Any,
) -> None:
    """Note ``event`` (``noun.verb``), done by ``actor`` to ``subject``. ``detail`` must be JSON."""
    AuditEntry.objects.create(
        workspace=workspace,
        event=event,
        actor=actor[:254],
        subject=subject[:254],
        detail=detail,
        network=networks.fingerprint_of(request) if request is not None else "",
    )


def forget_networks(*, limit: int) -> int:
    """Forget the networks, even hashed, that old entries came from. Returns how many entries that was."""
    old = AuditEntry.objects.filter(at__lt=timezone.now() - networks.KEPT).exclude(network="").order_by("at")
    return AuditEntry.objects.filter(id__in=list(old.values_list("id", flat=True)[:limit])).update(network="")


def as_csv(workspace: Workspace) -> Iterator[str]:
    """The whole log, oldest first, line by line."""
    yield csv_line(COLUMNS)
    for entry in in_batches(AuditEntry.objects.filter(workspace=workspace)):
        detail = str(entry.detail)
        yield csv_line([entry.at.isoformat(), entry.event, entry.actor, entry.subject, detail, entry.network])
