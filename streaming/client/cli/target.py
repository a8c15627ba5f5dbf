"""The service that `doctor` examines, and its streams with the time at which each event and comment arrives."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from ...protocol.sse import Parser
from ...protocol.typed import RunEvent, read_event
from ..errors import ClientError
from ..requests import base_url, path_of, unreachable
from ..sync import Client

MARGIN: Final = 15.0
"""Seconds that anything else may take on a busy machine."""


@dataclass(frozen=True)
class Arrival:
    """An event, and the monotonic time in seconds when it arrived."""

    event: RunEvent
    at: float

    @property
    def written_at(self) -> float:
        """When the service wrote it, in seconds of the service's clock."""
        return datetime.fromisoformat(self.event.timestamp or "1970-01-01T00:00:00Z").timestamp()


class Stream:
    """An open stream with the times of its events and comments. `cut` says whether it ended without `done`."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.run = response.headers.get("run-id", "")
        self.comments: list[float] = []
        self.cut = True
        self.last_byte = self.opened_at = time.monotonic()

    def arrivals(self) -> Iterator[Arrival]:
        """The events as they arrive, up to `done`."""
        parser = Parser(on_comment=lambda _: self.comments.append(time.monotonic()))
        with contextlib.suppress(httpx.RequestError):
            for chunk in self.response.iter_bytes():
                self.last_byte = time.monotonic()
                for message in parser.feed(chunk):
                    number = int(message.id) if message.id.isascii() and message.id.isdecimal() else 0
                    event = read_event(number, message.event, message.data)
                    if event is not None:
                        self.cut = event.type != "done"
                        yield Arrival(event, self.last_byte)
                    if not self.cut:
                        return


class Target:
    """The service that is examined, and the clients that talk to it: with `silence` in seconds over a network."""

    def __init__(
        self, url: str, key: str | None, http: httpx.Client, silence: float | None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = base_url(url)
        self.silence = silence
        self.tls = tls
        self.http = http
        self.http.timeout = httpx.Timeout(MARGIN)
        self.client = Client(url, http=http, api_key=key or "")
        own = self.client._own_headers()
        self.http.headers.update(
            {name: own[name] for name in own if name != "Authorization" or name not in http.headers}
        )

    @contextlib.contextmanager
    def simulate(self, *, accept: str = "identity", timeout: float = MARGIN, **input: Any) -> Iterator[Stream]:
        """The stream of a new run of `simulate`."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": accept}
        path = path_of("operations", "simulate")
        with self._open("POST", path, headers=headers, json=input, timeout=timeout) as stream:
            yield stream

    @contextlib.contextmanager
    def events(self, run: str, *, after: int = 0, accept: str = "identity") -> Iterator[Stream]:
        """The stream of an existing run."""
        headers = {"Accept": "text/event-stream", "Accept-Encoding": accept}
        if after:
            headers["Last-Event-ID"] = str(after)
        with self._open("GET", path_of("runs", run, "events"), headers=headers) as stream:
            yield stream

    @contextlib.contextmanager
    def _open(self, method: str, path: str, **options: Any) -> Iterator[Stream]:
        try:
            with self.http.stream(method, self.url + path, **options) as response:
                if not response.is_success:
                    raise ClientError(f"{method} {response.request.url.path} is answered with {response.status_code}")
                yield Stream(response)
        except httpx.TransportError as error:
            raise unreachable(error, self.url) from error
