"""Hold the Lua scripts of the cache.

Responsible for what has to happen in Redis at once. Plain EVALSHA and commands of Redis 6, so that
valkey and older servers run them, too.
"""

from __future__ import annotations

from typing import Final

WRITE_PROFILES: Final = """
-- KEYS: the customers' hashes. ARGV: prefix of the member sets, then in MessagePack for each key:
-- version, customer id, system, segment and since of each system, fields and values of the hash.
local prefix = ARGV[1]
for n, profile in ipairs(cmsgpack.unpack(ARGV[2])) do
  local key, version, id, systems, fields = KEYS[n], unpack(profile)
  local known = redis.call('HGET', key, 'version')
  if not known or tonumber(known) <= version then
    for s = 1, #systems, 3 do
      local set, segment = prefix .. systems[s] .. ':', systems[s + 1]
      local before = redis.call('HGET', key, systems[s])
      if before and before ~= segment then redis.call('ZREM', set .. before, id) end
      redis.call('ZADD', set .. segment, systems[s + 2], id)
    end
    redis.call('HSET', key, unpack(fields))
  end
end
"""
"""Write profiles, each unless a later version of it is there. One call and one argument for many: a
pipeline of a call each costs the worker several times what judging the customer did."""

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
