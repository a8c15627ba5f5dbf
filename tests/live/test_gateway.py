"""Gateways and relays on real servers, in front of an upstream that does as its test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from streaming.protocol.sse import HEARTBEAT
from tests.apps.gateway_upstream import START, Call, Upstream, frame, promptly, stamped
from tests.clients import Connection, Reachable, request_bytes, wait_until
from tests.live.requests import JSON, ask, inside, names, snapshot
from tests.servers import Server, flask_run, gunicorn, pywsgi, scratch

pytestmark = pytest.mark.live

APP = "tests.apps.gateway:app"
SERVERS: dict[str, Any] = {
    "gunicorn": gunicorn,
    "pywsgi, nothing patched": partial(pywsgi, patched=False),
    "flask run": flask_run,
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """A service that does as it is told."""
    with Upstream() as found:
        yield found


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[Server]:
    """The application with the gateways to it, in each world in which it may live."""
    origin = upstream.url.removesuffix("/operations/work")
    env = {"UPSTREAM": origin, "GATEWAY_PATIENCE": "20", "HEADWAY_STORE": "memory:"}
    with SERVERS[request.param](APP, env=env) as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(upstream: Upstream) -> None:
    """Each test counts its own calls."""
    upstream.calls.clear()
    upstream.left_at.clear()


def begin(viewer: Connection, body: Any = None, headers: dict[str, str] | None = None) -> int:
    """Starts a run of the gateway; gives the status."""
    sent = json.dumps(body or {}).encode()
    return viewer.request("POST", "/api/operations/work", {**JSON, **(headers or {})}, sent).status


def hold(call: Call) -> None:
    """Says nothing until the gateway has gone, and notes when that was."""
    call.upstream.left_at.append(call.left())


def silent(call: Call) -> None:
    """Takes the request, and answers nothing."""
    assert call.body is not None
    hold(call)


# A gateway behind its routes


def test_a_run(server: Server, upstream: Upstream) -> None:
    """A viewer of the gateway sees one run, and headers that go on are those that were chosen."""
    done = frame("done", stamped(status="succeeded", elapsed=1), 3)
    upstream.will(lambda call: call.begin_run().chunk(frame("note", stamped(n=1), 2) + done).finish())
    with Connection(server) as viewer:
        assert begin(viewer, {"a": 1}, {"X-Tenant": "blue", "X-Other": "red", "traceparent": "00-1-2-01"}) == 200
        assert names(viewer.messages()) == ["start", "note", "result", "done"]
    call = upstream.calls[0]
    assert json.loads(call.body) == {"a": 1}
    assert (call.headers["x-tenant"], call.headers["traceparent"]) == ("blue", "00-1-2-01")
    assert "x-other" not in call.headers


def test_a_refusal_is_passed_on(server: Server, upstream: Upstream) -> None:
    """With its status and its problem document; the run is there, and says that it failed."""
    said = {"type": "about:blank", "title": "Slow down", "status": 429, "detail": "Wait.", "code": "slow", "more": [1]}
    problem = json.dumps(said).encode()
    upstream.will(lambda call: call.answer(429, problem, "application/problem+json", retry_after="7"))
    with Connection(server) as viewer:
        assert begin(viewer) == 429
        assert viewer.head.headers["content-type"] == "application/problem+json"
        assert viewer.head.headers["retry-after"] == "7"
        assert json.loads(viewer.body()) == said
    newest = ask(server, "GET", "/api/runs")["runs"][0]
    wait_until(lambda: snapshot(server, newest["id"])["status"] == "failed", "the run has failed")
    assert snapshot(server, newest["id"])["error"]["code"] == "upstream_failed"
    wait_until(lambda: snapshot(server, newest["id"])["viewers"] == 0, "nobody watches it")


def test_a_refusal_without_a_problem(server: Server, upstream: Upstream) -> None:
    """What an upstream says to people stays there; its status is passed on. A redirect is no refusal, but a 502."""
    upstream.will(lambda call: call.answer(503, b"<h1>stack trace</h1>", "text/html"))
    with Connection(server) as viewer:
        assert begin(viewer, headers={"Prefer": "respond-async"}) == 503
        said = json.loads(viewer.body())
        assert (said["status"], said["code"], said["detail"]) == (503, "upstream_failed", "The upstream answered 503.")
    upstream.will(lambda call: call.answer(302, b"", "text/html", location="http://127.0.0.1:1/"))
    with Connection(server) as viewer:
        assert begin(viewer) == 502


def test_an_upload_goes_through(server: Server, upstream: Upstream) -> None:
    """A form with a file and fields, though nobody has described it, arrives as a form."""
    upstream.will(lambda call: call.read().stream(b"data: [DONE]\n\n"))
    body = (
        b'--b\r\nContent-Disposition: form-data; name="doc"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
        + b"x" * 500_000
        + b'\r\n--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n3\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with Connection(server) as viewer:
        assert viewer.request("POST", "/api/operations/work", headers, body).status == 200
        assert viewer.until("done")[-1].json["status"] == "succeeded"
    sent = upstream.calls[0]
    assert sent.body.count(b"x" * 500_000) == 1
    assert b'name="doc"; filename="a.txt"' in sent.body
    assert b'name="n"\r\n\r\n3\r\n' in sent.body


def left(upstream: Upstream, viewer: Connection, leave: str = "close") -> float:
    """Seconds from a viewer's going until the gateway has let go of its upstream."""
    upstream.left_at.clear()
    moment = time.monotonic()
    getattr(viewer, leave)()
    wait_until(lambda: upstream.left_at, "the connection to the upstream is closed")
    return upstream.left_at[0] - moment


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_viewer_that_goes_before_the_first_byte(server: Server, upstream: Upstream, leave: str, path: str) -> None:
    """Takes the connection to the upstream along, while its own request still waits for an answer."""

    def once() -> float:
        upstream.calls.clear()
        with Connection(server) as viewer:
            viewer.send(request_bytes("POST", path, JSON, b"{}"))
            upstream.call(0)
            return left(upstream, viewer, leave)

    upstream.will(silent)
    promptly(once)


@pytest.mark.parametrize("path", ["/relay/api/operations/work", "/api/operations/work"])
def test_the_last_viewer_takes_the_upstream_along(server: Server, upstream: Upstream, path: str) -> None:
    """After its first event: the connection is closed, and the run there is sent DELETE."""

    def once() -> float:
        upstream.calls.clear()
        with Connection(server) as viewer:
            viewer.request("POST", path, JSON, b"{}")
            viewer.message()
            took = left(upstream, viewer)
        assert (upstream.call(1).method, upstream.call(1).path) == ("DELETE", "/api/runs/upstream-run")
        return took

    upstream.will(lambda call: call.answer(202, b"{}", "application/json") if call.method == "DELETE" else begun(call))
    promptly(once)


def begun(call: Call) -> None:
    """A run that begins, and then says nothing."""
    hold(call.begin_run())


def test_a_viewer_that_closes_its_side_only(server: Server, upstream: Upstream) -> None:
    """Has not gone, and gets its stream."""
    go_on = threading.Event()

    def script(call: Call) -> None:
        go_on.wait(10)
        call.stream(b"data: [DONE]\n\n")

    upstream.will(script)
    with Connection(server) as viewer:
        viewer.send(request_bytes("POST", "/api/operations/work", JSON, b"{}"))
        upstream.call(0)
        viewer.half_close()
        assert viewer.response("POST").status == 200
        go_on.set()
        assert viewer.until("done")[-1].json["status"] == "succeeded"


# A relay


def test_everything_passes_unchanged(server: Server, upstream: Upstream) -> None:
    """Names, data and their timestamps, raw text, `[DONE]`, and the lifecycle of a run; nothing is added to them."""
    said = [("", "[DONE] "), ("", "plain\ntext"), ("start", START), ("odd name", "[1]"), ("", {"b": 2})]
    frames = b"".join(frame(name, data) for name, data in said) + frame("result", stamped(result=1), 7)
    upstream.will(lambda call: call.stream(frames + frame("done", stamped(status="succeeded", elapsed=1), 8)))
    with Connection(server) as viewer:
        assert viewer.request("GET", "/relay/any/path?a=1&b=2").status == 200
        assert viewer.head.headers["content-type"] == "text/event-stream"
        got = viewer.body()
    assert got == HEARTBEAT + frames + frame("done", stamped(status="succeeded", elapsed=1), 8)
    assert (upstream.calls[0].method, upstream.calls[0].path) == ("GET", "/any/path?a=1&b=2")
    assert "content-length" not in upstream.calls[0].headers


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_an_upload_is_not_gathered(server: Server, upstream: Upstream, chunked: bool) -> None:
    """The upstream has the beginning of a body before the viewer has sent its end."""
    first = threading.Event()

    def script(call: Call) -> None:
        call.begin_to_read(150_000)
        first.set()
        hold(call)

    upstream.will(script)
    head = {"Content-Type": "application/x-thing", "X-Tenant": "blue"}
    head["Transfer-Encoding" if chunked else "Content-Length"] = "chunked" if chunked else "400000"
    with Connection(server) as viewer:
        viewer.send(request_bytes("PUT", "/relay/files", head))
        piece = b"x" * 200_000
        viewer.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        wait_until(first.is_set, "the upstream has the first half")
    call = upstream.calls[0]
    assert (call.method, call.headers["content-type"], call.headers["x-tenant"]) == (
        "PUT",
        "application/x-thing",
        "blue",
    )
    wait_until(lambda: upstream.left_at, "half a body is nobody's request")


def test_a_body_arrives_whole(server: Server, upstream: Upstream) -> None:
    """However it came."""
    upstream.will(lambda call: call.read().stream(frame("said", "ok")))
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/echo", {"Content-Type": "text/plain"}, b"y" * 300_000)
        assert viewer.message().data == "ok"
    assert upstream.calls[0].body == b"y" * 300_000


def test_a_relay_passes_a_refusal_on(server: Server, upstream: Upstream) -> None:
    """As the answer, with its status."""
    said = {"title": "No", "status": 403, "detail": "Not yours.", "code": "forbidden"}
    upstream.will(lambda call: call.answer(403, json.dumps(said).encode(), "application/problem+json"))
    with Connection(server) as viewer:
        assert viewer.request("GET", "/relay/x").status == 403
        assert json.loads(viewer.body())["detail"] == "Not yours."


def test_a_relay_that_is_cut(server: Server, upstream: Upstream) -> None:
    """Ends with `error` and `done`, after what had come."""
    upstream.will(lambda call: call.head().chunk(frame("tick", {"n": 1})).cut())
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x")
        tick, error, done = viewer.messages()
    assert (tick.event, error.event, done.event) == ("tick", "error", "done")
    assert error.json["code"] == "upstream_truncated"
    assert (done.json["status"], error.json["retryable"]) == ("failed", True)


def test_a_relay_resumes_a_run(server: Server, upstream: Upstream) -> None:
    """An upstream run is taken up again, and its viewer never knows."""
    done = frame("done", stamped(status="succeeded", elapsed=1), 4)
    upstream.will(
        lambda call: call.begin_run().chunk(frame("tick", stamped(n=1), 2)).cut(),
        lambda call: call.stream(frame("tick", stamped(n=2), 3), done),
    )
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/api/operations/work", JSON, b"{}")
        assert names(viewer.messages()) == ["start", "tick", "tick", "done"]
    assert upstream.calls[1].headers["last-event-id"] == "2"


def test_a_relay_that_is_thrown_away(server: Server, upstream: Upstream) -> None:
    """Where the host application answers something else after all, the upstream is let go of."""
    upstream.will(lambda call: hold(call.head().chunk(frame("tick", "1"))))
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x", {"X-Replace": "1"})
        assert viewer.body() == b"instead"
        wait_until(lambda: upstream.left_at, "the connection to the upstream is closed")


def test_heartbeats_of_its_own(server: Server, upstream: Upstream) -> None:
    """A silent upstream's viewers have their line kept alive all the same."""
    upstream.will(lambda call: hold(call.head().chunk(frame("tick", "1"))))
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x", {"X-Beat": "0.2"})
        viewer.message()
        assert viewer.comment().encode() in HEARTBEAT


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
def test_comments_pass_as_heartbeats(server: Server, upstream: Upstream, path: str) -> None:
    """An upstream that keeps its line alive keeps that of the viewers alive, long before their own heartbeat."""
    stop = threading.Event()

    def script(call: Call) -> None:
        call.read().head().chunk(frame("tick", "1"))
        while not stop.wait(0.1):
            call.chunk(b": still here\n\n")

    upstream.will(script)
    with Connection(server) as viewer:
        viewer.request("POST", path, JSON, b"{}")
        viewer.until("tick")
        assert viewer.comment().encode() in HEARTBEAT
        stop.set()


def test_an_abandoned_head_request(server: Server, upstream: Upstream) -> None:
    """HEAD asks nothing of the upstream."""
    with Connection(server) as viewer:
        assert viewer.request("HEAD", "/relay/x").status == 200
    assert not upstream.calls


# Memory


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
def test_memory_is_flat(upstream: Upstream, path: str) -> None:
    """A hundred thousand events leave the worker as they found it."""
    count, size = 100_000, 200
    block = b"".join(frame("tick", {"n": n, "text": "x" * size}) for n in range(100))

    def pour(call: Call, events: int) -> None:
        call.read().head()
        for _ in range(events // 100):
            call.chunk(block)
        call.finish()

    upstream.will(lambda call: pour(call, count // 5), lambda call: pour(call, count))
    origin = upstream.url.removesuffix("/operations/work")
    with scratch() as folder:
        store = f"sqlite:///{folder}/runs.db"  # a run's events are kept there, and not in the worker
        with gunicorn(APP, env={"UPSTREAM": origin, "HEADWAY_STORE": store}) as server:
            assert drink(server, path) == count // 5
            before = inside(server)["resident"]
            assert drink(server, path) == count
            grown = inside(server)["resident"] - before
    assert grown < count * size / 2, f"{grown:,} bytes more"


def drink(server: Reachable, path: str) -> int:
    """Reads a stream to its end, and counts its ticks."""
    with server.address.connect(30) as sock:
        sock.sendall(request_bytes("POST", path, {**JSON, "Connection": "close"}, b"{}"))
        seen, tail = 0, b""
        while data := sock.recv(1 << 18):
            joined = tail + data
            tail = joined[-12:]
            seen += joined.count(b"event: tick\n") - tail.count(b"event: tick\n")
    return seen + tail.count(b"event: tick\n")
