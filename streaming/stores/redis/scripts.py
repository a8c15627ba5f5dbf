"""The scripts of the Redis store (`lua/`), and how they are called.

A script is one atomic step on one server (https://redis.io/docs/latest/develop/programmability/eval-intro/). Each may
be sent again: a worker repeats a request whose connection breaks before the reply. The first write of a script is one
that a server without memory refuses, so that all of it is done or nothing. Times are Redis's, in milliseconds since
1970; a script whose reply depends on them returns the time too, so that a jump of the clock is noticed (`ClockSkew`).

    headway:version             the schema version, and the oldest one that may use this Redis: "2 1"
    headway:secret              what run tokens are signed with, where no setting says it
    headway:number              counts the runs; a run's number orders its owner's list
    headway:run:RUN             hash: what does not change about the run, its producer, and the fold over its events
    headway:run:RUN:events      stream: an entry for each block, its id the number of the block's last event
    headway:run:RUN:answers     hash: a question's id -> a token of the answer's request (16 characters), and the answer
    headway:run:RUN:viewers     hash: a worker -> how many viewers it has of the run
    headway:run:RUN:checkpoint  hash: what the producer has kept, and the number of the last event before it
    headway:run:RUN:files       hash: a file's name -> its bytes, where they do not lie elsewhere
    headway:run:RUN:file_list   hash: a file's name -> when it was handed over, its size, media type and digest, as JSON
    headway:owner:OWNER         sorted set: the owner's runs by their numbers
    headway:list:N:OWNER:HOW:OP sorted set: those of an operation, those that are queued, live or have ended so, or both
    headway:listed              hash: a run -> the lists that it is in
    headway:listed_to           hash: an owner -> the number up to which its runs are in lists
    headway:client:CLIENT       set: live runs of a client
    headway:key:N:OWNER:KEY     the run that was started with an Idempotency-Key; N is the length of the owner's name
    headway:extras              set: runs that may have a checkpoint or files
    headway:queue               sorted set: queued runs by their numbers
    headway:operations          set: operations with clients in the next one
    headway:lines:OP            sorted set: the clients of an operation by when a run of theirs last began
    headway:line:N:OP:CLIENT    sorted set: queued runs of an operation and a client by their numbers
    headway:work:N:OP:CLIENT    set: those at work, if they are counted; without the client those of all
    headway:served              counts the runs that have begun and are counted
    headway:durations           hash: an operation -> about how many seconds a run of it takes
    headway:claim:TOKEN         list: the runs that one request has claimed
    headway:erased:RUN          exists for a minute after the run was erased: its producer does not write it again
    headway:part                the name of this store, where files of several stores lie in one place
    headway:ended               sorted set: "RUN OWNER" by the time of the end, in milliseconds
    headway:expires             sorted set: "RUN OWNER" by the time at which its retention ends
    headway:room                the bytes that all runs take
    headway:bytes               hash: a finished run -> its bytes, for when its keys have expired
    headway:workers             set: the workers that may hold live runs
    headway:lease:WORKER        exists while the worker is alive; its length in milliseconds
    headway:runs:WORKER         set: live runs of a worker
    headway:kept:WORKER         set: queued runs whose events a worker writes
    headway:inbox:WORKER        stream: runs whose requests the worker is to read again

All of them begin with the prefix of the store (`url`), if it has one. The scripts compute the keys, so a Redis Cluster,
which needs to know them beforehand, is not supported; an ACL checks each key when a script uses it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final, TypeAlias

from ..base import RUN_BYTES
from ..driver import OLDEST_VERSION, QUEUE, SCHEMA_VERSION, Step, T

Argument: TypeAlias = str | bytes | int
Call: TypeAlias = Sequence[Argument]
"""A Redis command: its name and its arguments."""


COMMAND: Final = re.compile(r"redis\.p?call\('([A-Z]+)'")

_PLAIN: Final[frozenset[type]] = frozenset({bytes, int})


def pack(calls: Sequence[Call]) -> bytes:
    """The calls as Redis reads them: https://redis.io/docs/latest/develop/reference/protocol-spec/#arrays.

    redis-py's `pack_commands` took a third of what a small append cost a worker.
    """
    parts: list[bytes] = []
    for each in calls:
        parts.append(b"*%d\r\n" % len(each))
        for argument in each:
            if type(argument) is not bytes:
                argument = str(argument).encode()  # noqa: PLW2901
            parts.append(b"$%d\r\n%b\r\n" % (len(argument), argument))
    return b"".join(parts)


class Scripts:
    """The scripts of a store whose keys begin with `prefix`."""

    __slots__ = ("_digests", "_sources", "prefix")

    def __init__(self, prefix: str) -> None:
        constants = f"local P, VERSION, OLDEST = '{prefix}', {SCHEMA_VERSION}, {OLDEST_VERSION}\n"
        constants += f"local QUEUE, RUN_BYTES = '{QUEUE}', {RUN_BYTES}\n"
        sources = _sources()
        prelude = constants + sources["prelude"]
        self.prefix: str = prefix
        self._sources = {name: prelude + text for name, text in sources.items() if name != "prelude"}
        self._digests = {
            name: sha1(text.encode(), usedforsecurity=False).hexdigest().encode()
            for name, text in self._sources.items()
        }

    def call(self, script: str, *arguments: Argument) -> Call:
        """The call of a script that the server has loaded (`load`).

        Raises here, and not in the writer, `UnicodeEncodeError` for text that UTF-8 cannot encode, and `TypeError` for
        what is no argument of Redis.
        """
        encoded = [argument.encode() if type(argument) is str else argument for argument in arguments]
        if not _PLAIN.issuperset(map(type, encoded)):
            raise TypeError(f"the store cannot keep {[kind.__name__ for kind in {*map(type, encoded)} - _PLAIN]}")
        return (b"EVALSHA", self._digests[script], b"0", *encoded)

    def step(self, name: str, *arguments: Argument, decode: Callable[[Any], T] = lambda reply: reply) -> Step[T]:
        """The step that calls a script."""
        return Step(self.call(name, *arguments), decode)

    def commands(self) -> list[str]:
        """The commands that the scripts use."""
        return sorted({name for source in self._sources.values() for name in COMMAND.findall(source)})

    def load(self) -> list[Call]:
        """The calls that load all scripts."""
        return [("SCRIPT", "LOAD", source) for source in self._sources.values()]


class TimedStep(Step[T]):
    """A step whose reply begins with Redis's time, which `decode` does not get."""


@functools.cache
def _sources() -> Mapping[str, str]:
    """What is in `lua/`."""
    return {file.name.removesuffix(".lua"): file.read_text() for file in files(__package__).joinpath("lua").iterdir()}
