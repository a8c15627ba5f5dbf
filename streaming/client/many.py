"""Reads several runs over one connection at a time (`GET /events`), as `reader` reads one. No socket, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import httpx

from ..protocol.sse import Message
from ..protocol.typed import Done, Reset, Snapshot, read_event
from .errors import ClientError, Interrupted
from .reader import Backoff, RunReader
from .requests import json_of, path_of, snapshot_of, stream_headers

if TYPE_CHECKING:
    from .core import BaseRun

POSITION: Final = re.compile(r"([\w-]+):([0-9]{1,15})(?:,|$)", re.ASCII)
"""The first entry of a frame's id: the run that it belongs to, and its number there."""

ENDINGS: Final = ("succeeded", "failed", "cancelled")


class RunsReader(RunReader):
    """The state of several runs as far as they were read. Its events are pairs: a run, and an event of it."""

    def __init__(self, runs: Iterable[str], after: Mapping[str, int], backoff: Backoff, max_event: int) -> None:
        names = dict.fromkeys(runs)
        super().__init__(", ".join(names), backoff=backoff, max_event=max_event)
        self.positions: dict[str, int] = {run: after.get(run, 0) for run in names}
        self.live = names

    @property
    def over(self) -> bool:
        return not self.live

    def headers(self) -> dict[str, str]:
        seen = ",".join(f"{run}:{number}" for run, number in self.positions.items() if number)
        return {"Last-Event-ID": seen} if seen else {}

    def end_run(self, run: str, snapshot: Snapshot, data: Any) -> tuple[str, Reset] | None:
        """Takes the end of a run from its snapshot, whose JSON is `data`; `None` where it is not over."""
        if snapshot.status not in ENDINGS:
            return None
        self.positions[run] = max(self.positions[run], snapshot.last_event_id)
        self.live.pop(run, None)
        body = {"timestamp": snapshot.updated, "snapshot": data}
        return run, Reset(id=self.positions[run], type="reset", data=body, snapshot=data)

    def _read(self, message: Message) -> Any:
        position = POSITION.match(message.id)
        if position is None or position[1] not in self.positions:
            return None
        run, number = position[1], int(position[2])
        if number <= self.positions[run]:
            return None
        self.positions[run] = number
        self._reset_failures()
        self._has_events = True
        event = read_event(number, message.event, message.data)
        if isinstance(event, Done):
            self.live.pop(run, None)
        return event and (run, event)

    def _interruption(self, error: ClientError | None) -> ClientError:
        if error is not None and not self._was_open:
            return error
        reason = str(error) if error else "the stream ended without the end of all runs"
        return Interrupted(f"the stream of several runs was interrupted: {reason}", run=self.run, last_event_id=0)


async def open_many(self: BaseRun[Any, Any]) -> httpx.Response:
    """`BaseRun._open` for several runs."""
    reader = cast(RunsReader, self._reader)
    headers, params = {**stream_headers(), **reader.headers()}, {"run": list(reader.positions)}
    return await self._client._send("GET", "/events", stream=True, headers=headers, params=params)


async def connect_many(self: BaseRun[Any, Any]) -> None:
    """`BaseRun._connect` for several runs."""
    response, reader = await open_many(self), cast(RunsReader, self._reader)
    self._connection = self._new_connection(response)
    if response.status_code != 204:
        reader.connection_opened(response.status_code, response.headers)
        return
    await self._close()
    for run in list(reader.live):
        answer = await self._client._send("GET", path_of("runs", run))
        end: Any = reader.end_run(run, snapshot_of(answer), json_of(answer))
        if end is not None:
            self._pending.append(end)
