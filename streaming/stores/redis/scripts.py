"""The keys of the Redis store, and every script on them.

A script is one atomic step on one server (https://redis.io/docs/latest/develop/programmability/eval-intro/). Each may
be sent again: a worker repeats a request whose connection breaks before the reply. The first write of a script is one
that a server without memory refuses, so that all of it is done or nothing. Times are Redis's, in milliseconds since
1970; a script whose reply depends on them returns the time too, so that a jump of the clock is noticed (`ClockSkew`).

    headway:number              counts the runs; a run's number orders its owner's list
    headway:run:RUN             hash: what does not change about the run, its producer, and the fold over its events
    headway:run:RUN:events      stream: an entry for each block, its id the number of the block's last event
    headway:run:RUN:answers     hash: a question's id -> a token of the answer's request (16 characters), and the answer
    headway:run:RUN:viewers     hash: a worker -> how many viewers it has of the run
    headway:owner:OWNER         sorted set: the owner's runs by their numbers
    headway:client:CLIENT       set: live runs of a client
    headway:key:N:OWNER:KEY     the run that was started with an Idempotency-Key; N is the length of the owner's name
    headway:ended               sorted set: "RUN OWNER" by the time of the end, in milliseconds
    headway:workers             set: the workers that may hold live runs
    headway:lease:WORKER        exists while the worker is alive; its length in milliseconds
    headway:runs:WORKER         set: live runs of a worker
    headway:inbox:WORKER        stream: runs whose requests the worker is to read again

The scripts compute the keys, so a Redis Cluster, which needs to know them beforehand, is not supported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Final, TypeAlias

from ...protocol.frames import BLOCK_BYTES, Batch, Block, join
from ...protocol.state import Fold, Reason
from ..base import Record, RunInfo

Argument: TypeAlias = str | bytes | int
Call: TypeAlias = Sequence[Argument]
"""A Redis command: its name and its arguments."""

INBOX_MILLISECONDS: Final = 60_000
INBOX_LENGTH: Final = 1000
"""The most messages in an inbox; the worker's next refresh makes up for those that are dropped."""

PRELUDE: Final = f"""
local P = 'headway:'
local function run_key(run) return P .. 'run:' .. run end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function alive(worker) return redis.call('EXISTS', P .. 'lease:' .. worker) == 1 end
local function live_on(worker, lease) redis.call('SET', P .. 'lease:' .. worker, lease, 'PX', lease, 'NX') end
local function viewers_elsewhere(run, worker)
  local mine, living, all, counts = 0, 0, 0, redis.call('HGETALL', run_key(run) .. ':viewers')
  for i = 1, #counts, 2 do
    if counts[i] == worker then mine = tonumber(counts[i + 1])
    else
      all = all + counts[i + 1]
      if alive(counts[i]) then living = living + counts[i + 1] end
    end
  end
  return mine, living, all
end
local function notify(worker, run)
  local inbox = P .. 'inbox:' .. worker
  redis.call('XADD', inbox, 'MAXLEN', '~', {INBOX_LENGTH}, '*', 'run', run)
  redis.call('PEXPIRE', inbox, {INBOX_MILLISECONDS})
end
local function key_of(owner, key) return P .. 'key:' .. #owner .. ':' .. owner .. ':' .. key end
local function parts(run)
  local key = run_key(run)
  return {{key, key .. ':events', key .. ':answers', key .. ':viewers'}}
end
local function live(run)
  local row = redis.call('HMGET', run_key(run), 'worker', 'ending')
  return row[1] and not row[2] and row[1]
end
"""

CREATE: Final = """
local run, worker, lease, owner, client, key, restored, limit = unpack(ARGV, 1, 8)
if redis.call('EXISTS', run_key(run)) == 1 then return false end
local named = key ~= '' and key_of(owner, key)
if named and restored == '' then
  local existing = redis.call('GET', named)
  if existing and redis.call('EXISTS', run_key(existing)) == 1 then return redis.call('HGETALL', run_key(existing)) end
end
if limit ~= '' and redis.call('SCARD', P .. 'client:' .. client) >= tonumber(limit) then return -1 end
live_on(worker, lease)
redis.call('SADD', P .. 'workers', worker)
local number = redis.call('INCR', P .. 'number')
redis.call('HSET', run_key(run), 'number', number, unpack(ARGV, 9))
redis.call('ZADD', P .. 'owner:' .. owner, number, run)
redis.call('SADD', P .. 'client:' .. client, run)
redis.call('SADD', P .. 'runs:' .. worker, run)
if named then redis.call(restored == '' and 'SET' or 'SETNX', named, run) end
return false
"""

FIND_BY_KEY: Final = """
local existing = redis.call('GET', key_of(ARGV[1], ARGV[2]))
if existing and redis.call('EXISTS', run_key(existing)) == 1 then return redis.call('HGETALL', run_key(existing)) end
return false
"""

DISOWN: Final = """
local run, worker = unpack(ARGV)
if live(run) ~= worker then return end
redis.call('HSET', run_key(run), 'worker', '')
redis.call('SREM', P .. 'runs:' .. worker, run)
redis.call('SADD', P .. 'runs:', run)
redis.call('SADD', P .. 'workers', '')
"""
"""Makes a run an orphan: the worker without a name has no lease."""

KEPT: Final = 1
FENCED: Final = 0
GONE: Final = -1
BEHIND: Final = -2
"""The results of `APPEND`. With `BEHIND` comes the number of the last event that the store has."""

APPEND: Final = """
local run, worker, epoch, retention, ahead, keep, gap, goal, ending, fields, unset = unpack(ARGV, 1, 11)
local key, events = run_key(run), run_key(run) .. ':events'
local row = redis.call('HMGET', key, 'worker', 'epoch', 'ending', 'last', 'size', 'owner', 'client', 'key')
if not row[1] then return {-1, 0} end
if row[1] ~= worker or row[2] ~= epoch then return {0, 0} end
local last, size = tonumber(row[4]), tonumber(row[5])
if row[3] then return {last >= tonumber(goal) and 1 or 0, last} end
local entries = 12 + fields + unset
if gap ~= '' then
  last = gap - 1
elseif ARGV[entries] and tonumber(ARGV[entries + 1]) > last + 1 then
  return {-2, last}
end
redis.call('HSET', key, unpack(ARGV, 12, 11 + fields))
if unset ~= '0' then redis.call('HDEL', key, unpack(ARGV, 12 + fields, entries - 1)) end
if gap ~= '' then
  redis.call('XTRIM', events, 'MINID', gap .. '-0')
  redis.call('HSET', key, 'oldest', gap)
end
for at = entries, #ARGV, 3 do
  if tonumber(ARGV[at]) > last then
    redis.call('XADD', events, ARGV[at] .. '-0', 'first', ARGV[at + 1], 'frames', ARGV[at + 2],
      'over', at + 3 > #ARGV and ending ~= '' and '1' or '')
    last = tonumber(ARGV[at])
    size = size + #ARGV[at + 2]
  end
end
local oldest, from, rounds = nil, '-', 0
while size > tonumber(keep) and rounds < 128 do
  local chunk = redis.call('XRANGE', events, from, '+', 'COUNT', 8)
  for _, entry in ipairs(chunk) do
    local number = tonumber(string.match(entry[1], '^%d+'))
    if number >= last or size <= tonumber(keep) then rounds = 128 break end
    size = size - #entry[2][4]
    oldest, from = number + 1, '(' .. entry[1]
  end
  rounds = rounds + 1
end
if oldest then
  redis.call('XTRIM', events, 'MINID', oldest .. '-0')
  redis.call('HSET', key, 'oldest', oldest)
end
redis.call('HSET', key, 'size', size)
if ending ~= '' then
  local moment = now() + ahead
  redis.call('HSET', key, 'ended', moment)
  redis.call('SREM', P .. 'client:' .. row[7], run)
  redis.call('SREM', P .. 'runs:' .. worker, run)
  redis.call('ZADD', P .. 'ended', moment, run .. ' ' .. row[6])
  for _, name in ipairs(parts(run)) do redis.call('PEXPIRE', name, retention) end
  if row[8] then redis.call('PEXPIRE', key_of(row[6], row[8]), retention) end
end
return {1, last}
"""

ABANDON: Final = """
local run, worker, expected, slack = unpack(ARGV)
local owner = live(run)
if owner ~= worker then return owner and 0 or 1 end
local _, living, all = viewers_elsewhere(run, worker)
local sure = math.abs(now() - expected) <= tonumber(slack)
if not redis.call('HGET', run_key(run), 'cancel') and (sure and living or all) > 0 then return 0 end
redis.call('HSETNX', run_key(run), 'cancel', 'disconnected')
return 1
"""
"""Cancels a run of this worker unless it has viewers on others; if Redis's clock has jumped, dead ones count too."""

CANCEL: Final = """
local worker = live(ARGV[1])
if worker and redis.call('HSETNX', run_key(ARGV[1]), 'cancel', ARGV[2]) == 1 then notify(worker, ARGV[1]) end
"""

ANSWER: Final = """
local run, question, token, body = unpack(ARGV)
local worker, answers = live(run), run_key(run) .. ':answers'
if not worker then return 0 end
local first = redis.call('HSETNX', answers, question, token .. body)
if first == 0 and string.sub(redis.call('HGET', answers, question), 1, #token) ~= token then return 0 end
notify(worker, run)
return 1
"""

COUNT: Final = """
local run, worker, count, lease = unpack(ARGV)
local key, viewers = run_key(run), run_key(run) .. ':viewers'
local producer = redis.call('HGET', key, 'worker')
if not producer then return end
if count == '0' then redis.call('HDEL', viewers, worker)
else
  redis.call('HSET', viewers, worker, count)
  live_on(worker, lease)
end
redis.call('HSET', key, 'watched', 1)
local left = redis.call('PTTL', key)
if left > 0 then redis.call('PEXPIRE', viewers, left)
elseif producer ~= worker then notify(producer, run) end
"""

QUEUE: Final = """
if live(ARGV[1]) then redis.call('HSET', run_key(ARGV[1]), 'queued', ARGV[2]) end
"""

RECORDS: Final = """
local records = {}
for _, run in ipairs(ARGV) do
  local row = redis.call('HGETALL', run_key(run))
  local viewers, counts = 0, redis.call('HGETALL', run_key(run) .. ':viewers')
  for at = 1, #counts, 2 do
    if alive(counts[at]) then viewers = viewers + counts[at + 1] end
  end
  records[#records + 1] = #row > 0 and {row, viewers} or false
end
return records
"""

PAGE: Final = """
local index, before, offset, limit = P .. 'owner:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local from = '+inf'
if before ~= '' then
  from = redis.call('ZSCORE', index, before)
  if not from then return {} end
  from = '(' .. from
end
return redis.call('ZREVRANGEBYSCORE', index, from, '-inf', 'LIMIT', offset, limit)
"""

CHANGES: Final = """
local worker, changes = ARGV[1], {now()}
for at = 2, #ARGV do
  local run = ARGV[at]
  local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'cancel', 'watched', 'last')
  local mine, living, all = viewers_elsewhere(run, worker)
  local answers = row[1] == worker and redis.call('HGETALL', run_key(run) .. ':answers') or {}
  changes[#changes + 1] = row[1] and {row, mine, living, all, answers} or false
end
return changes
"""

FRAMES: Final = """
local run, after, frames, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local row = redis.call('HMGET', run_key(run), 'oldest', 'last', 'ending')
if not row[1] then return false end
local blocks, size, count, from = {}, 0, 0, '(' .. after .. '-0'
repeat
  local chunk = redis.call('XRANGE', run_key(run) .. ':events', from, '+', 'COUNT', 8)
  for _, entry in ipairs(chunk) do
    blocks[#blocks + 1] = entry[2][2]
    blocks[#blocks + 1] = entry[2][4]
    size, count = size + #entry[2][4], count + string.match(entry[1], '^%d+') - math.max(entry[2][2] - 1, after)
    from = '(' .. entry[1]
    if size > bytes or count >= frames then break end
  end
until #chunk < 8 or size > bytes or count >= frames
return {row[1], row[2], row[3] or '', blocks}
"""

ORPHANS: Final = """
local orphans = {now()}
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  if worker ~= ARGV[1] and not alive(worker) then
    local runs = redis.call('SRANDMEMBER', P .. 'runs:' .. worker, 100)
    if #runs == 0 then
      redis.call('SREM', P .. 'workers', worker)
      redis.call('DEL', P .. 'inbox:' .. worker)
    end
    for _, run in ipairs(runs) do
      orphans[#orphans + 1] = worker
      orphans[#orphans + 1] = run
    end
  end
end
return orphans
"""

ADOPT: Final = """
local run, dead, worker, lease, token = unpack(ARGV)
local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'attempt', 'ending', 'adoption')
if row[1] == worker and row[5] == token then return redis.call('HGETALL', run_key(run)) end
if row[1] ~= dead or row[4] then
  redis.call('SREM', P .. 'runs:' .. dead, run)
  return false
end
if alive(dead) then return false end
redis.call('HSET', run_key(run), 'worker', worker, 'epoch', row[2] + 1, 'attempt', row[3] + 1, 'adoption', token)
live_on(worker, lease)
redis.call('SADD', P .. 'workers', worker)
redis.call('SREM', P .. 'runs:' .. dead, run)
redis.call('SADD', P .. 'runs:' .. worker, run)
notify(dead, run)
return redis.call('HGETALL', run_key(run))
"""

RENEW: Final = """
local worker, milliseconds = ARGV[1], ARGV[2]
if redis.call('PEXPIRE', P .. 'lease:' .. worker, milliseconds) == 0 then live_on(worker, milliseconds) end
redis.pcall('SADD', P .. 'workers', worker)
for _, other in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  local lease = P .. 'lease:' .. other
  local left = redis.call('PTTL', lease)
  if left > 0 and left > tonumber(redis.call('GET', lease)) then
    redis.call('PEXPIRE', lease, redis.call('GET', lease))
  end
end
return now()
"""
"""Renews a lease. After Redis's clock was set back, cuts the leases of others to their length."""

RELEASE: Final = """
local worker = ARGV[1]
redis.call('DEL', P .. 'lease:' .. worker, P .. 'inbox:' .. worker)
if redis.call('SCARD', P .. 'runs:' .. worker) == 0 then redis.call('SREM', P .. 'workers', worker) end
"""

SWEEP: Final = """
local limit = now() + ARGV[2] - ARGV[1]
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', P .. 'ended', '-inf', limit, 'LIMIT', 0, 500)) do
  local run, owner = string.match(ended, '^(%S+) (.*)$')
  redis.call('DEL', unpack(parts(run)))
  redis.call('ZREM', P .. 'owner:' .. owner, run)
  redis.call('ZREM', P .. 'ended', ended)
end
"""

WAKE: Final = "notify(ARGV[1], '')"

SCRIPTS: Final = (
    CREATE,
    FIND_BY_KEY,
    DISOWN,
    APPEND,
    ABANDON,
    CANCEL,
    ANSWER,
    COUNT,
    QUEUE,
    RECORDS,
    PAGE,
    CHANGES,
    FRAMES,
    ORPHANS,
    ADOPT,
    RENEW,
    RELEASE,
    SWEEP,
    WAKE,
)
SOURCES: Final = {script: PRELUDE + script for script in SCRIPTS}
DIGESTS: Final = {
    script: sha1(source.encode(), usedforsecurity=False).hexdigest() for script, source in SOURCES.items()
}


def call(script: str, *arguments: Argument) -> Call:
    """The call of a script that the server has loaded (`load`).

    Raises `UnicodeEncodeError` here, and not in the writer, for text that UTF-8 cannot encode.
    """
    encoded = (argument.encode() if isinstance(argument, str) else argument for argument in arguments)
    return ("EVALSHA", DIGESTS[script], 0, *encoded)


def load() -> list[Call]:
    """The calls that load all scripts."""
    return [("SCRIPT", "LOAD", source) for source in SOURCES.values()]


FULL: Final = -1
"""The result of `CREATE` where the client has as many live runs as it may have."""


def create(
    info: RunInfo,
    worker: str,
    lease: float,
    restored: Mapping[str, Argument] | None = None,
    limit: int | None = None,
) -> Call:
    """Creates a run. The reply is nothing, or the row of the run that the same owner and key have created, or `FULL`.

    `restored` are further fields of a run that the store has lost: it is created whatever its key is.
    """
    settled = {name: getattr(info, name) for name in RunInfo.__slots__}
    settled |= {"linger": None if info.linger is None else repr(info.linger), "updated": info.created, "worker": worker}
    counters = {"epoch": 1, "attempt": 1, "last": 0, "oldest": 1, "size": 0}
    fields: dict[str, Argument | None] = {**settled, **counters, **(restored or {})}
    return call(
        CREATE,
        *(info.id, worker, int(lease * 1000), info.owner, info.client, info.key or "", "1" if restored else ""),
        "" if limit is None else limit,
        *(part for name, value in fields.items() if value is not None for part in (name, value)),
    )


def append(
    run: str,
    worker: str,
    epoch: int,
    blocks: Iterable[Block],
    fold: Fold,
    *,
    retention: float,
    ahead: float,
    keep: int,
    gap: int | None = None,
) -> Call:
    """Appends blocks with the fold over them. The reply is `KEPT` or one of its like, and the last event's number.

    `retention` is in seconds, and so is `ahead`: how far a clock that a test has moved is ahead of Redis's. `keep` is
    in bytes. With `gap`, all events before this number are lost.
    """
    folded = {"last" if name == "last_event_id" else name: getattr(fold, name) for name in Fold.__slots__}
    fields = [part for name, value in folded.items() if value is not None for part in (name, value)]
    unset = [name for name, value in folded.items() if value is None]
    return call(
        APPEND,
        *(run, worker, epoch, int(retention * 1000), int(ahead * 1000), keep, gap or ""),
        *(fold.last_event_id, fold.ending or "", len(fields), len(unset), *fields, *unset),
        *(part for entry in entries(blocks) for part in entry),
    )


def entries(blocks: Iterable[Block]) -> Iterable[tuple[int, int, bytes]]:
    """Blocks as entries of a stream: last number, first number, frames. Small ones are joined, up to `BLOCK_BYTES`."""
    first, frames, size = 0, list[bytes](), 0
    for block in blocks:
        if frames and size + block.size > BLOCK_BYTES:
            yield first + len(frames) - 1, first, b"".join(frames)
            frames, size = [], 0
        if not frames:
            first = block.first
        frames += block.frames
        size += block.size
    if frames:
        yield first + len(frames) - 1, first, b"".join(frames)


def split(frames: bytes) -> list[bytes]:
    """Splits frames that were joined: each ends with the only blank line in it."""
    return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def block_of(entry: Sequence[Any], after: int) -> tuple[Block, bool]:
    """What an entry of a stream has after number `after`, and whether it ends the run."""
    fields = entry[1]
    first, frames = int(fields[1]), split(fields[3])
    new = frames[max(after + 1 - first, 0) :]
    return Block(max(first, after + 1), new, sum(map(len, new))), bool(fields[5])


def batch(reply: Sequence[Any], after: int, frames: int, merge: bool) -> Batch:
    """The batch of a reply of `FRAMES`."""
    oldest, last, over, blocks = int(reply[0]), int(reply[1]), bool(reply[2]), reply[3]
    if not blocks:
        return Batch(b"", max(after, oldest - 1), over and after >= last, oldest)
    first = int(blocks[0])
    skipped = max(after + 1 - first, 0)
    parts = [frame for body in blocks[1::2] for frame in split(body)][skipped : skipped + frames]
    first += skipped
    return join(parts, first, over and first + len(parts) - 1 == last, oldest, merge)


@dataclass(frozen=True, slots=True)
class Change:
    """The state of a run that another worker may have changed; the viewers are those on other workers.

    `viewers_known` includes viewers of workers whose lease has expired.
    """

    worker: str
    epoch: int
    cancel: Reason | None
    watched: bool
    last: int
    viewers_here: int
    viewers_alive: int
    viewers_known: int
    answers: dict[str, bytes]


def change(reply: Sequence[Any] | None) -> Change | None:
    """One run of a reply of `CHANGES`; `None` where the store does not have it."""
    if not reply:
        return None
    (worker, epoch, cancel, watched, last), here, living, known, answers = reply
    return Change(
        worker.decode(),
        int(epoch),
        cancel.decode() if cancel else None,
        watched is not None,
        int(last),
        int(here),
        int(living),
        int(known),
        {question.decode(): body[16:] for question, body in _pairs(answers)},
    )


def record(row: Sequence[bytes], viewers: int = 0) -> Record:
    """The record of a run's row, as `HGETALL` returns it."""
    fields: dict[str, Any] = {
        name: value if name in _BODIES else value.decode()
        for name, value in ((name.decode(), value) for name, value in _pairs(row))
    }
    info: dict[str, Any] = {name: fields.get(name) for name in RunInfo.__slots__}
    fold = {name: fields[name] for name in Fold.__slots__ if name in fields}
    return Record(
        RunInfo(**info | {"linger": float(fields["linger"]) if "linger" in fields else None}),
        Fold(**fold, last_event_id=int(fields["last"])),
        viewers,
        fields.get("queued") == "1",
        "cancel" in fields,
        int(fields["attempt"]),
    )


def epoch(row: Sequence[bytes]) -> int:
    """The epoch in a run's row."""
    return int(dict(_pairs(row))[b"epoch"])


_BODIES: Final = frozenset({"input", "progress", "result", "error", "question"})


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
