"""A viewer that leaves closes the connection to the model, whichever client asks it, talking or silent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.apps.gateway_upstream import Call, Upstream, promptly
from tests.clients import Connection, wait_until
from tests.servers import Server, gunicorn
from tests.test_sdks import CASES, answer, blocks


def variants(name: str) -> Iterator[tuple[str, str]]:
    """The operations of a client and the executors that the guide names for them."""
    for operation in CASES[name]:
        for executor in ("asyncio",) if operation == "chat_async" else ("greenlet", "thread", "process"):
            yield operation, executor


VARIANTS: Final = [
    pytest.param(name, *variant, marks=() if name == "openai" else pytest.mark.long)
    for name in CASES
    for variant in variants(name)
]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """The model's service."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def server(name: str, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A worker with the operations of one client."""
    folder = tmp_path_factory.mktemp("sdks")
    (folder / f"sdk_{name}.py").write_text(blocks()[f"sdk_{name}"])
    env = {
        "SDKS": name,
        "MODEL_URL": upstream.url.removesuffix("/operations/work"),
        "MODEL_KEY": "key",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HEADWAY_STORE": "memory:",
        "PYTHONPATH": f"{folder}:{Path.cwd()}",
    }
    with gunicorn("tests.apps.sdks:app", env=env) as server:
        yield server


def talking(frames: list[bytes]) -> Any:
    """Begins to answer, and goes on for as long as the connection is open."""

    def script(call: Call) -> None:
        call.read().head().chunk(b"".join(frames))
        try:
            for _ in range(400):
                call.chunk(frames[-1])
                time.sleep(0.02)
        except OSError:
            call.upstream.left_at.append(time.monotonic())
        call.over = True

    return script


def silent(frames: list[bytes]) -> Any:
    """Begins to answer, and says nothing more."""

    def script(call: Call) -> None:
        call.read().head().chunk(b"".join(frames))
        call.upstream.left_at.append(call.left())

    return script


def begins(frame: bytes) -> bool:
    """Whether a frame comes before the second piece of the text."""
    return any(word in frame for word in (b"Hello", b"message_start", b"content_block_start", b"created")) and (
        b"completed" not in frame
    )


@pytest.mark.parametrize("script", [talking, silent])
@pytest.mark.parametrize(("name", "operation", "executor"), VARIANTS, scope="module")
def test_the_last_viewer_leaves(
    server: Server, upstream: Upstream, name: str, operation: str, executor: str, script: Any
) -> None:
    """The service sees it at once."""
    frames = [frame for frame in answer(name, operation) if begins(frame)]

    def once() -> float:
        upstream.will(script(frames))
        upstream.left_at.clear()
        with Connection(server, timeout=60) as viewer:
            path = f"/operations/{name}-{operation}-{executor}"
            viewer.request("POST", path, {"Content-Type": "application/json"}, b"{}")
            viewer.until("delta")
            viewer.close()
            gone = time.monotonic()
            wait_until(lambda: upstream.left_at, "the end of the connection")
        return upstream.left_at[0] - gone

    promptly(once)
