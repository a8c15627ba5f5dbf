"""Another parser of event streams, to compare ours with: the npm package eventsource-parser, in a Node.js process."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Self

import pytest

DRIVER = Path(__file__).with_name("driver.mjs")
PACKAGE = Path(__file__).parents[2] / "node_modules" / "eventsource-parser"


class PeerMessage(NamedTuple):
    """A message of the peer: `id` is `None` where the event has none of its own."""

    id: str | None
    event: str
    data: str
    retry: int | None


class Peer:
    """The Node.js process; a context manager, which ends it."""

    def __enter__(self) -> Self:
        node = shutil.which("node")
        if node is None or not PACKAGE.is_dir():
            pytest.fail("Node.js 20 or newer and the npm package eventsource-parser are needed here: run `make setup`")
        self._process = subprocess.Popen([node, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=30)  # closes its input: the process ends

    def messages(self, chunks: Iterable[bytes]) -> list[PeerMessage]:
        """The messages of one stream, fed in `chunks`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([b64encode(chunk).decode() for chunk in chunks]).encode() + b"\n")
        self._process.stdin.flush()
        return [PeerMessage(**message) for message in json.loads(self._process.stdout.readline())]
