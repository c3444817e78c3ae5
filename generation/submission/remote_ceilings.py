"""How many credits clips by other people's APIs may take in a day: by all, by each model, by each workspace.

A card that is busy costs no more than its hour; a provider sends a bill for every clip. So what may be asked of them in
a day (UTC) is bounded, whoever pays. What is open counts in full, what ended counts as far as it was charged.
Of a clip that is made with the workspace's own key the bill is not the house's: it counts nowhere here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, Sum, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Workspace
from billing.models import Hold
from catalog.models import ModelVersion
from generation.models import Generation
from generation.provider_keys.models import KeyedClip
from gpu_worker.contract import REMOTE_BYTES
from loremotion.refusals import TooMany
from loremotion.row_security import across_workspaces

CLOCKS_DIFFER: Final = timedelta(hours=1)
"""A clip has its row's time from this process, its hold's from the database: the hold's decides."""
_LOCK: Final = 7_265_746_531
"""Of all who ask for such clips at once: each sees what the one before has held. Nobody else waits for it."""


@across_workspaces("providers send one bill for all; only whether there is room comes out")
def refuse_beyond(workspace: Workspace, version: ModelVersion, *, credits: int) -> None:
    """Refuse a clip that would go beyond a ceiling of the day. In the transaction that holds its credits.

    Raises:
        TooMany: until midnight UTC.
    """
    ceilings = {
        "all": settings.REMOTE_CREDITS_PER_DAY,
        "model": settings.REMOTE_CREDITS_PER_MODEL_AND_DAY,
        "workspace": settings.REMOTE_CREDITS_PER_WORKSPACE_AND_DAY,
    }
    if not any(ceilings.values()):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    now = timezone.now()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = _spent(midnight, workspace, version)
    for whose, ceiling in ceilings.items():
        if ceiling and spent[whose] + credits > ceiling:
            raise _refusal(whose, version, midnight + timedelta(days=1), now)


def _spent(midnight: datetime, workspace: Workspace, version: ModelVersion) -> dict[str, int]:
    by_own_keys = Exists(KeyedClip.objects.filter(generation=OuterRef("id")))
    of_the_day = Generation.objects.filter(
        ~by_own_keys, needs_bytes=REMOTE_BYTES, created_at__gte=midnight - CLOCKS_DIFFER
    )
    counted = Case(When(state=Hold.State.OPEN, then=F("amount")), default=F("captured"))
    spent = {}
    narrowed = {"all": Q(), "model": Q(version__model=version.model_id), "workspace": Q(workspace=workspace)}
    for whose, only in narrowed.items():
        holds = Hold.objects.filter(id__in=of_the_day.filter(only).values("id"), held_at__gte=midnight)
        spent[whose] = int(holds.aggregate(credits=Coalesce(Sum(counted), 0))["credits"])
    return spent


def _refusal(whose: str, version: ModelVersion, ends: datetime, now: datetime) -> TooMany:
    words = {
        "all": _("Models made by other companies are used up for today."),
        "model": _("%(model)s is used up for today.") % {"model": version.model},
        "workspace": _("Your workspace has used today's share of models made by other companies."),
    }
    return TooMany(
        "remote_ceiling_reached",
        words[whose],
        next_step=_("Choose a model that runs here, or come back after midnight UTC."),
        retry_after_seconds=int((ends - now).total_seconds()) + 1,
    )
