"""`think` on a real server: disconnects, the queue, and failing models, as viewers see them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx

from operations.think import think as think_operation
from tests.apps.llm_fake import Fake, Reply, fake_model, finish, problem, said, text
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.live.test_llm_embedded import APP, JSON, PATIENCE
from tests.servers import Server, gunicorn, scratch
from tests.worlds import assert_grammatical

INPUT = json.dumps({"prompt": "What is two and two?"}).encode()
THOUGHT = said(reasoning_content="Two, and two.")


@contextmanager
def service(fake: Fake, **env: str) -> Iterator[Server]:
    """A service with this model."""
    with scratch() as temporary:
        settings: Mapping[str, str] = {"TMPDIR": str(temporary), "HEADWAY_LLM_BASE_URL": fake.url, **env}
        with gunicorn(APP, env=settings) as server:
            yield server


def think(server: Server) -> list[Message]:
    """The whole stream of a run."""
    response = httpx.post(f"{server.url}/operations/think", content=INPUT, headers=JSON, timeout=PATIENCE)
    messages = parse_frames(response.content)
    assert_grammatical(messages)
    return messages


def wait_for_more(fake: Fake, counter: str, before: int) -> None:
    """Waits until this counter of the model's server grows."""
    wait_until(lambda: getattr(fake, counter) > before, f"`{counter}` of the model's server grows", PATIENCE)


def test_the_model_stops_with_the_last_viewer() -> None:
    """The connection to its server closes, before the first word and between two words."""
    replies = [Reply(finish(), silence=60), Reply(THOUGHT, text("Four."), silence=60), Reply(THOUGHT, finish())]
    with fake_model(*replies) as fake, service(fake) as server:
        for event in ("start", "delta"):
            waiting, left = fake.waiting, fake.left
            with Connection(server, PATIENCE) as viewer:
                viewer.request("POST", "/operations/think", JSON, INPUT)
                viewer.until(event)
                wait_for_more(fake, "waiting", waiting)
            wait_for_more(fake, "left", left)
        assert think(server)[-1].json["status"] == "succeeded"


def test_a_run_waits_for_its_turn() -> None:
    """Runs beyond the concurrency wait, and report their place in the queue."""
    most = think_operation.limits.concurrency or 0
    replies = [Reply(THOUGHT, text("Four."), silence=60)] * most + [Reply(THOUGHT, text("Four."), finish())]
    with fake_model(*replies) as fake, service(fake) as server, ExitStack() as stack:
        viewers = [stack.enter_context(Connection(server, PATIENCE)) for _ in range(most)]
        for viewer in viewers:
            viewer.request("POST", "/operations/think", JSON, INPUT)
            viewer.until("delta")
        second = stack.enter_context(Connection(server, PATIENCE))
        second.request("POST", "/operations/think", JSON, INPUT)
        waiting = second.until("progress")[-1].json
        assert (waiting["step"], waiting["place"]) == ("queue", 1)
        assert len(fake.requests) == most
        viewers[0].close()
        assert second.until("done")[-1].json["status"] == "succeeded"


FAULTS: dict[str, tuple[Reply, str, bool]] = {
    "a key that is refused": (problem(401, "Bad key sk-abcdef"), "model_refused", False),
    "too small a context": (problem(400, "", code="context_length_exceeded"), "model_context_too_small", False),
    "silence": (Reply(THOUGHT, finish(), silence=60), "model_too_slow", True),
    "a cut": (Reply(THOUGHT, promised=100), "model_away", True),
    "no end": (Reply(THOUGHT, text("Fo")), "model_away", True),
    "another protocol": (Reply(b"<!doctype html>", headers={"Content-Type": "text/html"}), "model_unfit", False),
    "a refusal": (Reply(said(refusal="No."), finish()), "model_refused", False),
}


def test_a_failing_model_fails_the_run_and_not_the_service() -> None:
    """Each fault ends the stream with `error`, with its code, and `done`; the next run succeeds."""
    with fake_model() as fake, service(fake, HEADWAY_LLM_TIMEOUT="0.5") as server:
        for reply, code, retryable in FAULTS.values():
            fake.replies = [reply]
            *_, error, done = think(server)
            assert (error.json["code"], error.json["retryable"], done.json["status"]) == (code, retryable, "failed")
            assert "sk-abcdef" not in error.data
        fake.replies = [Reply(THOUGHT, text("Four."), finish())]
        assert think(server)[-2].json["result"]["text"] == "Four."
