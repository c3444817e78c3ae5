"""Why an event did not arrive, or an endpoint is disabled: kept in English, read in every language."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

from loremotion.stored_words import StoredWords

ANSWERED: Final = gettext_noop("It answered %(status)s.")
GONE: Final = gettext_noop("It answered 410 Gone.")
HAS_FAILED: Final = gettext_noop("It has failed for %(days)s days.")
DISABLED: Final = gettext_noop("The endpoint was disabled.")
REASONS: Final = StoredWords(
    GONE,
    ANSWERED,
    HAS_FAILED,
    DISABLED,
    gettext_noop("It took too long to answer."),
    gettext_noop("It took longer than %(seconds)s seconds."),
    gettext_noop("No connection: %(problem)s"),
    gettext_noop("Its certificate isn't valid: %(problem)s."),
)
"""The last four are ``loremotion.outbound``'s."""
