"""What licences say, in plain words, as far as they are short enough for that."""

from __future__ import annotations

from typing import Final

_FREE: Final = "Anybody may use this model and what it makes for any purpose, also commercially."
_PLAIN: Final = {"Apache-2.0": _FREE, "MIT": _FREE, "BSD-3-Clause": _FREE}
_OTHER: Final = "This licence has terms of its own. Read it before you use clips commercially."


def in_plain_words(licence: str) -> str:
    """What the licence means for whoever uses a clip."""
    return _PLAIN.get(licence, _OTHER)
