"""Hold the Lua scripts of the cache.

Responsible for what has to happen in Redis at once. Plain EVALSHA and commands of Redis 6, so that
valkey and older servers run them, too.
"""

from __future__ import annotations

from typing import Final

WRITER_LIFE_S: Final = 7 * 86_400
"""How long a worker that writes nothing is remembered; it writes everything again after that."""

_CURRENT: Final = f"""
-- KEYS 1 and 2: epoch, writer. ARGV 1 to 3: the epoch; the number of the writer's last answered
-- call, and that of this one. A server that went back to a snapshot, or over to a replica that had
-- not followed, does not know the last answered call: what was written by then may be lost.
local call = tonumber(redis.call('GET', KEYS[2]) or '')
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not call or call < tonumber(ARGV[2]) then
  return false
end
redis.call('SET', KEYS[2], math.max(call, tonumber(ARGV[3])), 'EX', {WRITER_LIFE_S})
"""

_FORGET: Final = """
local function forget(key, id, prefix)
  local fields = redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local segment = redis.call('HGET', key, string.match(fields[f], '^(.*)%.since$') or '')
    if segment then
      redis.call('ZREM', prefix .. string.match(fields[f], '^(.*)%.since$') .. ':' .. segment, id)
    end
  end
  if #fields > 0 then redis.call('DEL', key) end
end
"""

OPEN: Final = f"""
-- KEYS: epoch, writer, clocks, applied offsets, sums. ARGV: who fills, token of the filling to
-- begin if there is none, number of this call.
local known = redis.call('GET', KEYS[1])
if not known then
  known = ARGV[1] .. ' ' .. ARGV[2]
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
  redis.call('SET', KEYS[1], known)
end
local call = redis.call('GET', KEYS[2])
if string.sub(known, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
  redis.call('SET', KEYS[2], ARGV[3], 'EX', {WRITER_LIFE_S})
end
return {{known, call or '-1'}}
"""
"""Return the cache's epoch and the writer's last call it knows of; where there is no epoch, begin
one: nothing written before counts."""

WRITE_PROFILES: Final = f"""
-- KEYS 3 …: the customers' hashes. ARGV 4: token of the epoch. ARGV 5: prefix of the member sets.
-- ARGV 6, in MessagePack for each key: version, customer id, system, segment and since of each
-- system, fields and values of the hash.
{_CURRENT}
{_FORGET}
local token, prefix = ARGV[4], ARGV[5]
local function write(key, version, id, systems, fields)
  local known = redis.call('HMGET', key, 'epoch', 'version')
  if known[1] == token and (tonumber(known[2]) or 0) > version then return end
  -- Of another filling, or of rules with other systems: nothing of it may stay.
  local fits = known[1] == token and redis.call('HLEN', key) == #fields / 2 + 1
  if not fits then forget(key, id, prefix) end
  for s = 1, #systems, 3 do
    local set, segment = prefix .. systems[s] .. ':', systems[s + 1]
    local before = redis.call('HGET', key, systems[s])
    if before and before ~= segment then redis.call('ZREM', set .. before, id) end
    redis.call('ZADD', set .. segment, systems[s + 2], id)
  end
  redis.call('HSET', key, 'epoch', token, unpack(fields))
end
local refused = {{''}}
for n, profile in ipairs(cmsgpack.unpack(ARGV[6])) do
  local fine, why = pcall(write, KEYS[n + 2], unpack(profile))
  if not fine then
    refused[1] = type(why) == 'table' and why.err or tostring(why)
    refused[#refused + 1] = n - 1
  end
end
return refused
"""
"""Write profiles, each unless a later version of it is there; return the last refusal in the
server's words and the numbers of those refused, or nothing when the cache is not as it was left.
One call and one argument for many: a pipeline of a call each costs the worker several times what
judging the customer did."""

PUBLISH: Final = f"""
-- KEYS 3 and 4: clocks, applied offsets. ARGV 4: partition count. ARGV 5, in MessagePack for each
-- partition: number, clock or '', offset or ''.
{_CURRENT}
local function raise(key, partition, to)
  local known = redis.call('HGET', key, partition)
  if to ~= '' and not (known and tonumber(known) >= tonumber(to)) then
    redis.call('HSET', key, partition, to)
  end
end
local before = redis.call('HLEN', KEYS[3])
for _, mark in ipairs(cmsgpack.unpack(ARGV[5])) do
  raise(KEYS[3], mark[1], mark[2])
  raise(KEYS[4], mark[1], mark[3])
end
local complete = tonumber(ARGV[4])
return before < complete and redis.call('HLEN', KEYS[3]) >= complete and 1 or 0
"""
"""Raise clocks and applied offsets of partitions; return 1 when the last partition's first clock is
among them, 0 otherwise, nothing when the cache is not as it was left."""

PUBLISH_SUMS: Final = """
-- KEYS: epoch, sums. ARGV: who fills, then partitions and their sums.
local known = redis.call('GET', KEYS[1])
if not known or string.sub(known, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 1
"""
"""Publish the sums of partitions, unless another fills the cache or nobody has begun to; return
whether they were taken."""

SWEEP: Final = f"""
-- KEYS: epoch, then customers' hashes. ARGV: the epoch, its token, prefix of the member sets, then
-- the customers' ids.
{_FORGET}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local gone = 0
for n = 2, #KEYS do
  if redis.call('HGET', KEYS[n], 'epoch') ~= ARGV[2] then
    forget(KEYS[n], ARGV[n + 2], ARGV[3])
    gone = gone + 1
  end
end
return gone
"""
"""Remove profiles of other fillings; return how many, nothing when another filling has begun."""
