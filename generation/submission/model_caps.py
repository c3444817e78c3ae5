"""What a workspace lets itself spend on one model in a day and in a month."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from billing.shop.budgets import Period
from generation import spending
from generation.submission.spending_caps import Cap
from loremotion.refusals import Forbidden

Caps = Mapping[str, Mapping[str, int]]
"""Id of a model → period → credits, as ``Entitlements.caps_by_item`` has it."""


def refuse_beyond_cap(account: UUID, caps: Caps, *, model_id: int, model: str, credits: int) -> list[Cap]:
    """Refuse what would go beyond a cap on the model. Certain while the workspace's row is locked. Returns the caps as
    they stand without it. One query; none for a model without a cap.

    Args:
        model: its name.

    Raises:
        Forbidden: names the cap and what is left of it.
    """
    limits = caps.get(str(model_id))
    if not limits:
        return []
    spent = spending.credits_by_period(account, model=model_id)
    found = [Cap(period, period.began, limits[period], spent[period]) for period in Period if period in limits]
    for cap in found:
        if credits > cap.left:
            words = (
                _("This workspace can spend %(credits)s credits a day on %(model)s, with %(left)s left today.")
                if cap.period == Period.DAY
                else _(
                    "This workspace can spend %(credits)s credits a month on %(model)s, with %(left)s left this month."
                )
            )
            raise Forbidden(
                "cap_reached",
                words % {"credits": intcomma(cap.credits), "model": model, "left": intcomma(cap.left)},
                next_step=_(
                    "Choose another model, or ask whoever handles billing to raise the limit on the Usage page."
                ),
            )
    return found
