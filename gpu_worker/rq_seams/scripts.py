"""The scripts that a GPU host runs in Valkey. The website loads them, since a user that may load scripts may load any:
one that runs for ever keeps everybody from Valkey.

Valkey forgets them when it restarts. The beat loads them again within seconds, and who needs one waits as for a server
that is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis
from redis.exceptions import NoPermissionError
from rq.scripts import UNIQUE_ENQUEUE_SCRIPT

_SKIPS_OF: Final = """
local function skips_of(key)  -- any host may write there: what is no count is none
  local said = redis.pcall('HGET', key, 'skips')
  return type(said) == 'string' and #said < 10 and tonumber(string.match(said, '^%d+$')) or 0
end
"""

LOOK: Final = (
    _SKIPS_OF
    + """
-- KEYS: queue. ARGV: window, prefix of RQ's job keys.
-- -> {id, data, enqueued_at, skips} of each job, first in line first.
local seen = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  local job = redis.pcall('HMGET', ARGV[2] .. id, 'data', 'enqueued_at')
  if job[1] and string.match(id, '^[%w_-]+$') then
    seen[#seen + 1] = {id, job[1], job[2] or '', skips_of(ARGV[2] .. id)}
  else
    redis.call('LREM', KEYS[1], 1, id)  -- deleted while it waited, no id of ours, or a record that is not for us
  end
end
return seen
"""
)

TAKE: Final = (
    _SKIPS_OF
    + """
-- KEYS: queue, intermediate queue, holding. ARGV: id, window, prefix, max_skips, ids that this card cannot hold ...
-- -> 1, or 0 when the line changed since it was looked at: the job is gone, or one before it may not be skipped again.
local cannot = {}
for i = 5, #ARGV do cannot[ARGV[i]] = true end
local before, found = {}, false
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[2] - 1)) do
  if id == ARGV[1] then found = true break end
  if not cannot[id] and redis.pcall('EXISTS', ARGV[3] .. id) == 1 then
    if skips_of(ARGV[3] .. id) >= tonumber(ARGV[4]) then return 0 end
    before[#before + 1] = id
  end
end
if not found then return 0 end
for _, id in ipairs(before) do redis.pcall('HSET', ARGV[3] .. id, 'skips', skips_of(ARGV[3] .. id) + 1) end
redis.call('LREM', KEYS[1], 1, ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[1])
return 1
"""
)

REFUSE: Final = """
-- KEYS: the job. ARGV: worker. -> every worker that cannot hold it. Kept in the job itself, so it ends with the job.
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
redis.call('HSET', KEYS[1], 'refused_by:' .. ARGV[1], 1)
local workers = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 11) == 'refused_by:' then workers[#workers + 1] = string.sub(field, 12) end
end
return workers
"""

SCRIPTS: Final = (LOOK, TAKE, REFUSE, UNIQUE_ENQUEUE_SCRIPT)


class NotLoaded(redis.ConnectionError):
    """Valkey does not have a script that this user may run and not load."""


def load(connection: redis.Redis) -> None:
    """Have Valkey know all of them. It costs a round trip, and nothing where it does.

    Raises:
        RedisError: Valkey is away.
    """
    with connection.pipeline(transaction=False) as pipeline:
        for text in SCRIPTS:
            pipeline.script_load(text)
        pipeline.execute()


@contextmanager
def needing_scripts() -> Iterator[None]:
    """The block runs scripts. A user that may load one does so; for any other it is there soon.

    Raises:
        NotLoaded: it has to wait for the website.
    """
    try:
        yield
    except NoPermissionError as problem:
        if "script|load" not in str(problem):
            raise
        raise NotLoaded("it has no scripts since it started; the website's beat loads them within seconds") from problem
