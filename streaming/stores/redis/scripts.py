"""The keys of the Redis event log, and every script on them.

A script is one atomic step on one server (https://redis.io/docs/latest/develop/programmability/eval-intro/), and each
is written so that it may be sent again: a reply that was lost with its connection is asked for anew. The first thing
that one writes is what a server without memory refuses, so that it is kept whole or not at all. Times are Redis's own,
milliseconds since 1970; a script whose answer hangs on them gives the time along, so that a jump of Redis's clock is
noticed (`drift`).

    headway:number              counts the runs; a run's number orders its owner's list
    headway:run:RUN             hash: what is settled about the run, its producer, and the fold over its events
    headway:run:RUN:events      stream: an entry for each block, its id the number of the block's last event
    headway:run:RUN:answers     hash: a question's id -> whose answer it is (16 characters), and the answer
    headway:run:RUN:viewers     hash: a worker -> how many viewers it has of the run
    headway:owner:OWNER         sorted set: the owner's runs by their numbers
    headway:client:CLIENT       set: live runs of a client
    headway:key:N:OWNER:KEY     the run that was started with an Idempotency-Key; N is the length of the owner's name
    headway:ended               sorted set: "RUN OWNER" by the moment of the end, in milliseconds
    headway:workers             set: the workers that may hold live runs
    headway:lease:WORKER        there as long as the worker lives: its length in milliseconds
    headway:runs:WORKER         set: live runs of a worker
    headway:inbox:WORKER        stream: runs that the worker is to look at again

Keys are made inside the scripts, so a Redis Cluster, which wants to know them beforehand, will not do.
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
Command: TypeAlias = Sequence[Argument]

INBOX_MILLISECONDS: Final = 60_000
INBOX_LENGTH: Final = 1000
"""Messages that an inbox holds at the most; those that fall out are made good by the worker's next round."""

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
local function tell(worker, run)
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
local run, worker, lease, owner, client, key, again, limit = unpack(ARGV, 1, 8)
if redis.call('EXISTS', run_key(run)) == 1 then return false end
local named = key ~= '' and key_of(owner, key)
if named and again == '' then
  local known = redis.call('GET', named)
  if known and redis.call('EXISTS', run_key(known)) == 1 then return redis.call('HGETALL', run_key(known)) end
end
if limit ~= '' and redis.call('SCARD', P .. 'client:' .. client) >= tonumber(limit) then return -1 end
live_on(worker, lease)
redis.call('SADD', P .. 'workers', worker)
local number = redis.call('INCR', P .. 'number')
redis.call('HSET', run_key(run), 'number', number, unpack(ARGV, 9))
redis.call('ZADD', P .. 'owner:' .. owner, number, run)
redis.call('SADD', P .. 'client:' .. client, run)
redis.call('SADD', P .. 'runs:' .. worker, run)
if named then redis.call(again == '' and 'SET' or 'SETNX', named, run) end
return false
"""

JOINED: Final = """
local known = redis.call('GET', key_of(ARGV[1], ARGV[2]))
if known and redis.call('EXISTS', run_key(known)) == 1 then return redis.call('HGETALL', run_key(known)) end
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
"""Leaves a run to whoever looks for orphans next: the worker without a name has no lease."""

KEPT: Final = 1
FENCED: Final = 0
GONE: Final = -1
BEHIND: Final = -2
"""What `APPEND` says of a batch; with `BEHIND` comes the number of the last event that the store has."""

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
"""Cancels a run of this worker's unless it has viewers on others; without a sure time the dead count as well."""

CANCEL: Final = """
local worker = live(ARGV[1])
if worker and redis.call('HSETNX', run_key(ARGV[1]), 'cancel', ARGV[2]) == 1 then tell(worker, ARGV[1]) end
"""

ANSWER: Final = """
local run, question, token, body = unpack(ARGV)
local worker, answers = live(run), run_key(run) .. ':answers'
if not worker then return 0 end
local first = redis.call('HSETNX', answers, question, token .. body)
if first == 0 and string.sub(redis.call('HGET', answers, question), 1, #token) ~= token then return 0 end
tell(worker, run)
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
elseif producer ~= worker then tell(producer, run) end
"""

QUEUE: Final = """
if live(ARGV[1]) then redis.call('HSET', run_key(ARGV[1]), 'queued', ARGV[2]) end
"""

LOOK: Final = """
local found = {}
for _, run in ipairs(ARGV) do
  local row = redis.call('HGETALL', run_key(run))
  local viewers, counts = 0, redis.call('HGETALL', run_key(run) .. ':viewers')
  for at = 1, #counts, 2 do
    if alive(counts[at]) then viewers = viewers + counts[at + 1] end
  end
  found[#found + 1] = #row > 0 and {row, viewers} or false
end
return found
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

CONTROL: Final = """
local worker, found = ARGV[1], {now()}
for at = 2, #ARGV do
  local run = ARGV[at]
  local row = redis.call('HMGET', run_key(run), 'worker', 'epoch', 'cancel', 'watched', 'last')
  local mine, living, all = viewers_elsewhere(run, worker)
  local answers = row[1] == worker and redis.call('HGETALL', run_key(run) .. ':answers') or {}
  found[#found + 1] = row[1] and {row, mine, living, all, answers} or false
end
return found
"""

FRAMES: Final = """
local run, after, frames, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local row = redis.call('HMGET', run_key(run), 'oldest', 'last', 'ending')
if not row[1] then return false end
local found, size, count, from = {}, 0, 0, '(' .. after .. '-0'
repeat
  local chunk = redis.call('XRANGE', run_key(run) .. ':events', from, '+', 'COUNT', 8)
  for _, entry in ipairs(chunk) do
    found[#found + 1] = entry[2][2]
    found[#found + 1] = entry[2][4]
    size, count = size + #entry[2][4], count + string.match(entry[1], '^%d+') - math.max(entry[2][2] - 1, after)
    from = '(' .. entry[1]
    if size > bytes or count >= frames then break end
  end
until #chunk < 8 or size > bytes or count >= frames
return {row[1], row[2], row[3] or '', found}
"""

DEAD: Final = """
local found = {now()}
for _, worker in ipairs(redis.call('SMEMBERS', P .. 'workers')) do
  if worker ~= ARGV[1] and not alive(worker) then
    local runs = redis.call('SRANDMEMBER', P .. 'runs:' .. worker, 100)
    if #runs == 0 then
      redis.call('SREM', P .. 'workers', worker)
      redis.call('DEL', P .. 'inbox:' .. worker)
    end
    for _, run in ipairs(runs) do
      found[#found + 1] = worker
      found[#found + 1] = run
    end
  end
end
return found
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
tell(dead, run)
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
"""A sign of life. Where Redis's clock was set back, the leases of others are cut to what they were to be."""

GIVE_UP: Final = """
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

WAKE: Final = "tell(ARGV[1], '')"

SCRIPTS: Final = (
    CREATE,
    JOINED,
    DISOWN,
    APPEND,
    ABANDON,
    CANCEL,
    ANSWER,
    COUNT,
    QUEUE,
    LOOK,
    PAGE,
    CONTROL,
    FRAMES,
    DEAD,
    ADOPT,
    RENEW,
    GIVE_UP,
    SWEEP,
    WAKE,
)
SOURCES: Final = {script: PRELUDE + script for script in SCRIPTS}
DIGESTS: Final = {
    script: sha1(source.encode(), usedforsecurity=False).hexdigest() for script, source in SOURCES.items()
}


def call(script: str, *arguments: Argument) -> Command:
    """The command that runs a script, which the server has been given before (`load`).

    Raises `UnicodeEncodeError` here, and not in the writer, for a text that has no UTF-8.
    """
    encoded = (argument.encode() if isinstance(argument, str) else argument for argument in arguments)
    return ("EVALSHA", DIGESTS[script], 0, *encoded)


def load() -> list[Command]:
    """The commands that give the server all scripts."""
    return [("SCRIPT", "LOAD", source) for source in SOURCES.values()]


FULL: Final = -1
"""What `CREATE` says where the client has as many live runs as it may have."""


def create(
    info: RunInfo,
    worker: str,
    lease: float,
    again: Mapping[str, Argument] | None = None,
    limit: int | None = None,
) -> Command:
    """Opens a run. It gives nothing, or the row of the run that the same owner and key had opened, or `FULL`.

    `again` are the fields of a run that the store has lost: it is opened whatever its key says.
    """
    fields: dict[str, Argument | None] = {
        "id": info.id,
        "operation": info.operation,
        "owner": info.owner,
        "client": info.client,
        "created": info.created,
        "updated": info.created,
        "linger": None if info.linger is None else repr(info.linger),
        "key": info.key,
        "digest": info.digest,
        "input": info.input,
        "worker": worker,
        "epoch": 1,
        "attempt": 1,
        "last": 0,
        "oldest": 1,
        "size": 0,
        **(again or {}),
    }
    return call(
        CREATE,
        *(info.id, worker, int(lease * 1000), info.owner, info.client, info.key or "", "1" if again else ""),
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
) -> Command:
    """Keeps blocks with the fold over them; gives one of the words above, and the last number that the store has.

    `retention` is in seconds, and so is `ahead`: how far a clock that a test has moved is ahead of Redis's. `keep` is
    in bytes. With `gap`, what comes before this number is gone for good.
    """
    folded: dict[str, Argument | None] = {
        "state": fold.state,
        "ending": fold.ending,
        "last": fold.last_event_id,
        "updated": fold.updated,
        "progress": fold.progress,
        "result": fold.result,
        "error": fold.error,
        "question": fold.question,
    }
    fields = [part for name, value in folded.items() if value is not None for part in (name, value)]
    unset = [name for name, value in folded.items() if value is None]
    return call(
        APPEND,
        *(run, worker, epoch, int(retention * 1000), int(ahead * 1000), keep, gap or ""),
        *(fold.last_event_id, fold.ending or "", len(fields), len(unset), *fields, *unset),
        *(part for entry in entries(blocks) for part in entry),
    )


def entries(blocks: Iterable[Block]) -> Iterable[tuple[int, int, bytes]]:
    """Blocks as a stream has them: last number, first number, frames; joined as far as `BLOCK_BYTES` allows."""
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
    """A frame ends with the only blank line in it."""
    return [frame + b"\n\n" for frame in frames.split(b"\n\n")[:-1]]


def block_of(entry: Sequence[Any], after: int) -> tuple[Block, bool]:
    """An entry of the stream: what of it follows the number `after`, and whether it ends the run."""
    fields = entry[1]
    first, frames = int(fields[1]), split(fields[3])
    fresh = frames[max(after + 1 - first, 0) :]
    return Block(max(first, after + 1), fresh, sum(map(len, fresh))), bool(fields[5])


def batch(reply: Sequence[Any], after: int, frames: int, merge: bool) -> Batch:
    """What `FRAMES` found, as a viewer reads it."""
    oldest, last, over, found = int(reply[0]), int(reply[1]), bool(reply[2]), reply[3]
    if not found:
        return Batch(b"", max(after, oldest - 1), over and after >= last, oldest)
    first = int(found[0])
    skipped = max(after + 1 - first, 0)
    parts = [frame for body in found[1::2] for frame in split(body)][skipped : skipped + frames]
    first += skipped
    return join(parts, first, over and first + len(parts) - 1 == last, oldest, merge)


@dataclass(frozen=True, slots=True)
class Change:
    """What others may have changed about a run; `None` in its place says that the store has no such run."""

    worker: str
    epoch: int
    cancel: Reason | None
    watched: bool
    last: int
    mine: int
    viewers_alive: int
    viewers_known: int
    answers: dict[str, bytes]


def change(reply: Sequence[Any] | None) -> Change | None:
    """One run as `CONTROL` found it."""
    if not reply:
        return None
    (worker, epoch, cancel, watched, last), mine, living, known, answers = reply
    return Change(
        worker.decode(),
        int(epoch),
        cancel.decode() if cancel else None,
        watched is not None,
        int(last),
        int(mine),
        int(living),
        int(known),
        {question.decode(): body[16:] for question, body in _pairs(answers)},
    )


def record(row: Sequence[bytes], viewers: int = 0) -> Record:
    """A run's row, as `HGETALL` gives it."""
    fields = {name.decode(): value for name, value in _pairs(row)}
    texts = {name: value.decode() for name, value in fields.items() if name not in _BODIES}
    return Record(
        RunInfo(
            id=texts["id"],
            operation=texts["operation"],
            created=texts["created"],
            owner=texts["owner"],
            client=texts["client"],
            linger=float(texts["linger"]) if "linger" in texts else None,
            key=texts.get("key"),
            digest=texts.get("digest"),
            input=fields.get("input"),
        ),
        Fold(
            state=texts.get("state", ""),
            ending=texts.get("ending"),  # type: ignore[arg-type]  # what a fold has written
            last_event_id=int(texts["last"]),
            updated=texts["updated"],
            progress=fields.get("progress"),
            result=fields.get("result"),
            error=fields.get("error"),
            question=fields.get("question"),
        ),
        viewers,
        texts.get("queued") == "1",
        "cancel" in texts,
        int(texts["attempt"]),
    )


def epoch(row: Sequence[bytes]) -> int:
    """How often a run, whose row this is, has changed hands."""
    return int(dict(_pairs(row))[b"epoch"])


_BODIES: Final = frozenset({"input", "progress", "result", "error", "question"})


def _pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)
