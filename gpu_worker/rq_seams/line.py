"""Where a job stands in a queue's line. The website alone decides that, and alone may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import redis

_MOVE: Final = """
-- KEYS: queue. ARGV: id, ids that it goes before ... -> 1, or 0 where it is before them already, or it or all of them
-- have left the line. They may stand in any order.
local others = {}
for i = 2, #ARGV do others[ARGV[i]] = true end
local own, first
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if id == ARGV[1] then own = true break end
  if others[id] then first = first or id end
end
if not own or not first then return 0 end
redis.call('LREM', KEYS[1], 1, ARGV[1])
redis.call('LINSERT', KEYS[1], 'BEFORE', first, ARGV[1])
return 1
"""


def move_before(connection: redis.Redis, key: str, job_id: str, others: Sequence[str]) -> bool:
    """Move a waiting job before all of ``others`` that still wait. False where it stays where it is."""
    return bool(connection.register_script(_MOVE)(keys=[key], args=[job_id, *others]))
