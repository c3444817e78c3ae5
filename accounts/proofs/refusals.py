"""The words for a proof that is missing, wrong, or cannot be checked."""

from __future__ import annotations

from django.utils.translation import gettext as _

from loremotion.refusals import Forbidden, Unavailable


class ProofIsAway(Unavailable):
    """Whoever checks the answer does not reply. Nobody new is let in on a guess."""

    def __init__(self) -> None:
        super().__init__(
            "proof_is_away",
            _("We can't check right now that you're not a robot."),
            next_step=_("Try again in a minute, or sign in to skip the check."),
        )


def not_proved() -> Forbidden:
    return Forbidden(
        "proof_needed",
        _("Many new visitors come from your network, so your browser has to pass a quick check first."),
        next_step=_("Reload this page with JavaScript on and try again, or sign in."),
    )
