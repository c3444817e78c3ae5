"""What one member, or one API key, may spend of the shared credits in a month."""

from __future__ import annotations

from django.db.models import Case, F, Sum, When
from django.utils import timezone

from accounts.caller import Caller
from billing.models import Hold
from generation.models import Generation
from loremotion.refusals import Forbidden


def refuse_beyond_cap(caller: Caller, *, credits: int) -> None:
    """Refuse what would go beyond the caller's monthly cap. Certain while the workspace's row is locked.

    What is open counts in full; what ended counts as far as it was charged.

    Raises:
        Forbidden: names the cap and what is left of it.
    """
    cap = caller.monthly_cap_credits
    if cap is None:
        return
    left = max(0, cap - spent_this_month(caller))
    if credits > left:
        whose = "This key" if caller.key is not None else "You"
        raise Forbidden(
            "cap_reached",
            f"{whose} can spend {cap:,} credits a month here, with {left:,} left this month.",
            next_step="An owner or admin can raise the cap.",
        )


def spent_this_month(caller: Caller) -> int:
    """Credits held or charged since the month began (UTC) for what this caller made in this workspace.

    A rotated key has spent what those before it have.
    """
    began = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    own = Generation.objects.of(caller.workspace).filter(created_at__gte=began)
    own = own.filter(api_key=caller.key.line_id) if caller.key is not None else own.filter(made_by=caller.user)
    counted = Case(When(state=Hold.State.OPEN, then=F("amount")), default=F("captured"))
    return Hold.objects.filter(id__in=own.values("id")).aggregate(spent=Sum(counted))["spent"] or 0
