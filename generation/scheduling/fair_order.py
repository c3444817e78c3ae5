"""The order of the fair queue: by finish tag, and of equal tags whoever came first."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import NamedTuple

from generation.models import Generation


class Key(NamedTuple):
    """What the queue is sorted by, in Python as in the index ``generation_in_line``."""

    fair_finish: float
    created_at: datetime
    id: uuid.UUID


def key_of(generation: Generation) -> Key:
    return Key(generation.fair_finish, generation.created_at, generation.id)
