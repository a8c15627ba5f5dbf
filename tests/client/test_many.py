"""Several runs over one connection, with both clients: pairs of a run and an event, each once, over any cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest

from streaming.client import AsyncClient, Backoff, Client, Done, Interrupted, NotFound, Reset, RunEvent
from tests.client.service import STREAM, TIMESTAMP, URL, frame

QUICK = Backoff(retry_delay=0.0, max_delay=0.0, max_attempts=3)
DONE = {"status": "succeeded", "elapsed": 1}

Answer = Callable[[httpx.Request], httpx.Response]
Watch = Callable[..., list[tuple[str, RunEvent]]]


@pytest.fixture(params=["blocking", "async"])
def watch(request: pytest.FixtureRequest) -> Watch:
    """Reads runs to their ends, from a service without a network, with each client."""

    def blocking(answer: Answer, runs: Any, **options: Any) -> list[tuple[str, RunEvent]]:
        with Client(URL, http=httpx.Client(transport=httpx.MockTransport(answer)), backoff=QUICK) as client:
            return list(client.watch_runs(runs, **options))

    def with_await(answer: Answer, runs: Any, **options: Any) -> list[tuple[str, RunEvent]]:
        async def read() -> list[tuple[str, RunEvent]]:
            http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
            async with AsyncClient(URL, http=http, backoff=QUICK) as client:
                return [pair async for pair in client.watch_runs(runs, **options)]

        return anyio.run(read)

    return blocking if request.param == "blocking" else with_await


def many(run: str, number: int, others: str, name: str, data: dict[str, Any]) -> bytes:
    """A frame of several runs."""
    return frame(number, name, data).replace(f"id: {number}\n".encode(), f"id: {run}:{number}{others}\n".encode(), 1)


def answers(*bodies: bytes) -> tuple[list[httpx.Request], Answer]:
    """A service that answers with these streams in turn, then with 503, and the requests to it."""
    requests: list[httpx.Request] = []
    left: Iterator[bytes] = iter(bodies)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        body = next(left, None)
        return httpx.Response(503) if body is None else httpx.Response(200, headers=STREAM, content=body)

    return requests, answer


def told(pairs: list[tuple[str, RunEvent]]) -> list[tuple[str, int, str]]:
    """The run, the number and the name of each event."""
    return [(run, event.id, event.type) for run, event in pairs]


def test_pairs_over_a_cut(watch: Watch) -> None:
    """The stream goes on after the last event of each run, and what comes twice is given once."""
    requests, answer = answers(
        many("a", 1, ",b:0", "start", {"run": "a", "operation": "x"})
        + many("b", 1, ",a:1", "start", {"run": "b", "operation": "x"})
        + many("a", 2, ",b:1", "done", DONE),
        many("b", 1, ",a:2", "start", {"run": "b", "operation": "x"})
        + b": keep-alive\n\n"
        + many("b", 2, ",a:2", "delta", {"text": "x", "channel": "text"})
        + many("b", 3, ",a:2", "done", DONE),
    )
    expected = [("a", 1, "start"), ("b", 1, "start"), ("a", 2, "done"), ("b", 2, "delta"), ("b", 3, "done")]
    assert told(watch(answer, ["a", "b", "a"])) == expected
    assert [request.url.params.get_list("run") for request in requests] == [["a", "b"], ["a", "b"]]
    assert [request.headers.get("last-event-id") for request in requests] == [None, "a:2,b:1"]


def test_it_goes_on_where_the_caller_was(watch: Watch) -> None:
    """`after` has the number of the last event of each run."""
    requests, answer = answers(many("a", 8, "", "done", DONE))
    assert told(watch(answer, ["a"], after={"a": 7})) == [("a", 8, "done")]
    assert requests[0].headers["last-event-id"] == "a:7"


def test_all_are_over(watch: Watch) -> None:
    """Their snapshots stand for what is no longer sent."""

    def answer(request: httpx.Request) -> httpx.Response:
        run = request.url.path.rpartition("/")[2]
        if run == "events":
            return httpx.Response(204)
        snapshot = {"id": run, "operation": "x", "status": "succeeded", "created": TIMESTAMP, "updated": TIMESTAMP}
        return httpx.Response(200, json={**snapshot, "last_event_id": 9, "result": run})

    pairs = watch(answer, ["a", "b"])
    assert told(pairs) == [("a", 9, "reset"), ("b", 9, "reset")]
    assert [event.snapshot["result"] for _, event in pairs if isinstance(event, Reset)] == ["a", "b"]


def test_a_run_that_does_not_exist(watch: Watch) -> None:
    """`NotFound`, at once."""
    with pytest.raises(NotFound):
        watch(lambda _: httpx.Response(404, json={"code": "run_not_found"}), ["a"])


def test_a_service_that_stays_away(watch: Watch) -> None:
    """`Interrupted`, after the attempts of the backoff."""
    requests, answer = answers(many("a", 1, "", "start", {"run": "a", "operation": "x"}))
    with pytest.raises(Interrupted, match="several runs"):
        watch(answer, ["a"])
    assert len(requests) == 4


def test_leaving_closes_the_connection() -> None:
    """A loop that is left early."""
    _, answer = answers(many("a", 1, "", "start", {"run": "a", "operation": "x"}) + many("a", 2, "", "done", DONE))
    with Client(URL, http=httpx.Client(transport=httpx.MockTransport(answer))) as client:
        events = client.watch_runs(["a"])
        run, event = next(events)
        events.close()
    assert (run, isinstance(event, Done)) == ("a", False)
