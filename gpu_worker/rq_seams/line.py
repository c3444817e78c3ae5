"""Where a job stands in a queue's line. The website alone decides that, and alone may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import redis

_MOVE: Final = """
-- KEYS: queue. ARGV: id, ids that it goes before ... -> 1, or 0 where it or all of them have left the line.
for i = 2, #ARGV do
  if redis.call('LPOS', KEYS[1], ARGV[i]) then
    if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
    redis.call('LINSERT', KEYS[1], 'BEFORE', ARGV[i], ARGV[1])
    return 1
  end
end
return 0
"""


def move_before(connection: redis.Redis, key: str, job_id: str, others: Sequence[str]) -> bool:
    """Move a waiting job before the first of ``others`` that still waits. False where it stays where it is."""
    return bool(connection.register_script(_MOVE)(keys=[key], args=[job_id, *others]))
