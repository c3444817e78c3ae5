"""Who may use which model: what its licence, its plan gate and this installation allow.

What is not known gets the strict answer: an unknown territory is a blocked one, an unstated revenue above every cap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from catalog import territories
from catalog.models import AccessLevel, ModelVersion
from loremotion.refusals import Refusal


class NotLicensed(Refusal):
    """The model's licence does not allow it to be used here."""

    status = 451


class NotInPlan(Refusal):
    """The model is for other plans than the caller's."""

    status = 403


def _none(_: str) -> None:
    """No key is the workspace's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who is asking, as far as a model's gates care."""

    workspace_id: UUID | None = None
    """None for somebody who has not made anything yet."""
    plan: AccessLevel = AccessLevel.VISITOR
    territory: str | None = None
    """ISO 3166-1 letters. None: unknown."""
    own_keys: Callable[[str], UUID | None] = _none
    """Tells the key that the workspace brought for an account of the remote workers. May raise a ``Refusal``."""

    def own_key_for(self, version: ModelVersion) -> UUID | None:
        """The workspace's own key with which a clip of the version is made; None: the house's, or none is needed.

        Raises:
            Refusal: there is one, and its provider does not take it.
        """
        return self.own_keys(version.account) if version.family_facts.is_remote else None


ANYBODY = Audience()


def territory_of(request: HttpRequest) -> str | None:
    """Where the request comes from: what the trusted header says, else the installation's own territory, else None.

    ``TERRITORY_HEADER`` names a header that the outermost proxy sets and overwrites (``CF-IPCountry`` and its like).
    """
    if settings.TERRITORY_HEADER:
        code = request.headers.get(settings.TERRITORY_HEADER, "").strip().upper()
        return code if code != "EU" and territories.is_known(code) else None
    return settings.TERRITORY or None


def refusal(version: ModelVersion, audience: Audience) -> Refusal | None:
    """Why this caller may not use the version, or None when they may."""
    return _by_licence(version, audience) or _by_plan(version, audience)


def revenue_problem(version: ModelVersion) -> str | None:
    """Why this installation may not serve the version to anybody, or None when it may."""
    cap = version.revenue_cap_dollars
    if cap is None:
        return None
    revenue: int | None = settings.ANNUAL_REVENUE_DOLLARS
    clause = f"Its licence asks for another agreement above ${cap:,} of yearly revenue"
    if revenue is None:
        return f"{clause}, and ANNUAL_REVENUE_DOLLARS is not set."
    if revenue > cap:
        return f"{clause}, and this installation has more."
    return None


def _by_licence(version: ModelVersion, audience: Audience) -> Refusal | None:
    name, blocked = version.model.name, version.blocked_territories
    next_step = _("Pick another model.")
    if revenue_problem(version):
        return NotLicensed(
            "model_not_licensed",
            _("%(name)s isn't licensed for this site.") % {"name": name},
            next_step=next_step,
            field="model",
        )
    if not blocked:
        return None
    where = territories.join_names(blocked)
    if audience.territory is None:
        message = _("%(name)s isn't licensed for use in %(where)s, and we can't verify your location.") % {
            "name": name,
            "where": where,
        }
        return NotLicensed("territory_unknown", message, next_step=next_step, field="model")
    if territories.is_among(audience.territory, blocked):
        message = _("%(name)s isn't licensed for use in %(where)s.") % {"name": name, "where": where}
        return NotLicensed("territory_blocked", message, next_step=next_step, field="model")
    return None


def _by_plan(version: ModelVersion, audience: Audience) -> Refusal | None:
    least = AccessLevel(version.least_plan)
    if audience.plan.level >= least.level:
        return None
    name = version.model.name
    if least == AccessLevel.FREE:
        return NotInPlan(
            "sign_in_first",
            _("You need an account to use %(name)s.") % {"name": name},
            next_step=_("Sign in, or pick another model."),
            field="model",
        )
    return NotInPlan(
        "paid_plan_only",
        _("%(name)s comes with paid plans.") % {"name": name},
        next_step=_("Choose a plan, or pick another model."),
        field="model",
    )


def in_words(version: ModelVersion) -> list[str]:
    """What the gates of a version mean, in plain words, for the models page and the API."""
    words = []
    if version.blocked_territories:
        words.append(_("Not for use in %(where)s.") % {"where": territories.join_names(version.blocked_territories)})
    if version.least_plan == AccessLevel.FREE:
        words.append(_("For people who have signed in."))
    if version.least_plan == AccessLevel.PAID:
        words.append(_("For people on a paid plan."))
    if said := notice(version):
        words.append(said)
    return words


def notice(version: ModelVersion) -> str:
    """What people who use it must know. Of a model that others run at least that prompts go to them."""
    if version.licence_notice or not version.family_facts.is_remote:
        return version.licence_notice
    return _("Your prompt, and a picture that you add, go to another company, whose machines make the clip.")
