"""A number of 32 bits in the brightness of a video, which nobody sees and a copy mostly keeps.

It is a label and no proof: whoever has the site's key can write any number, and whoever tries can remove one.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

_ID_BYTES: Final = 4


class Label(NamedTuple):
    """What a clip's pictures carry."""

    key: str
    id: int


def id_of(generation_id: str) -> int:
    """The number that a clip's pictures carry, from 0 to 2^32 - 1.

    It follows from the clip's id, so no attempt can carry another's. Two clips in 4,294,967,296 have the same.
    """
    return int.from_bytes(hashlib.sha256(generation_id.encode()).digest()[:_ID_BYTES], "big")
