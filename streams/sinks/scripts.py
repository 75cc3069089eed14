"""Hold the Lua scripts of the cache.

Responsible for what has to happen in Redis at once. Plain EVALSHA and commands of Redis 6, so that
valkey and older servers run them, too.
"""

from __future__ import annotations

from typing import Final

WRITE_PROFILE: Final = """
-- KEYS[1] the customer's hash. ARGV: version, customer id, prefix of the member sets, number of
-- systems, then system, segment and since of each, then the hash's fields and values.
local known = redis.call('HGET', KEYS[1], 'version')
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
local id, prefix, systems = ARGV[2], ARGV[3], tonumber(ARGV[4])
for i = 5, 2 + 3 * systems, 3 do
  local before = redis.call('HGET', KEYS[1], ARGV[i])
  if before and before ~= ARGV[i + 1] then
    redis.call('ZREM', prefix .. ARGV[i] .. ':' .. before, id)
  end
  redis.call('ZADD', prefix .. ARGV[i] .. ':' .. ARGV[i + 1], ARGV[i + 2], id)
end
redis.call('HSET', KEYS[1], unpack(ARGV, 5 + 3 * systems))
return 1
"""
"""Write one profile unless a later version of it is there."""

PUBLISH: Final = """
-- KEYS: epoch, clocks, applied offsets. ARGV: epoch, partition, clock or '', offset or ''.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, 3 do
  local known = redis.call('HGET', KEYS[i], ARGV[2])
  if ARGV[i + 1] ~= '' and not (known and tonumber(known) >= tonumber(ARGV[i + 1])) then
    redis.call('HSET', KEYS[i], ARGV[2], ARGV[i + 1])
  end
end
return 1
"""
"""Raise a partition's clock and applied offset; refuse (0) when the cache is of another epoch."""

OPEN_EPOCH: Final = """
-- KEYS: epoch, clocks, applied offsets. ARGV: the epoch to begin if there is none.
local known = redis.call('GET', KEYS[1])
if known then return known end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
return ARGV[1]
"""
"""Return the cache's epoch; where there is none, begin one: nothing written before counts."""
