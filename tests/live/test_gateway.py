"""Gateways and relays on real servers, in front of an upstream that follows the scripts of the tests."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from streaming.protocol.sse import HEARTBEAT, Parser
from tests.apps.gateway_upstream import START, Call, Upstream, frame, promptly, stamped
from tests.clients import Connection, Cut, Reachable, request_bytes, wait_until
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
    """A service that follows the test's scripts."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, upstream: Upstream) -> Iterator[Server]:
    """The application with the gateways to it, on servers with and without gevent."""
    origin = upstream.url.removesuffix("/operations/work")
    env = {"UPSTREAM": origin, "GATEWAY_PATIENCE": "20", "HEADWAY_STORE": "memory:"}
    with SERVERS[request.param](APP, env=env) as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(upstream: Upstream) -> None:
    """Each test counts its own calls."""
    upstream.calls.clear()
    upstream.left_at.clear()


def begin(viewer: Connection, body: Any = None, headers: dict[str, str] | None = None) -> int:
    """Starts a run of the gateway, and returns the status."""
    content = json.dumps(body or {}).encode()
    return viewer.request("POST", "/api/operations/work", {**JSON, **(headers or {})}, content).status


def hold(call: Call) -> None:
    """Sends nothing until the gateway disconnects, and notes when that was."""
    call.upstream.left_at.append(call.left())


def silent(call: Call) -> None:
    """Reads the request, and answers nothing."""
    assert call.body is not None
    hold(call)


# A gateway behind its routes


def test_a_run(server: Server, upstream: Upstream) -> None:
    """A viewer of the gateway sees one run; only the headers that the gateway names go on."""
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
    """With its status and its problem document; the run exists, and has failed."""
    document = {
        "type": "about:blank",
        "title": "Slow down",
        "status": 429,
        "detail": "Wait.",
        "code": "slow",
        "more": [1],
    }
    problem = json.dumps(document).encode()
    upstream.will(lambda call: call.answer(429, problem, "application/problem+json", retry_after="7"))
    with Connection(server) as viewer:
        assert begin(viewer) == 429
        assert viewer.head.headers["content-type"] == "application/problem+json"
        assert viewer.head.headers["retry-after"] == "7"
        assert json.loads(viewer.body()) == document
    newest = ask(server, "GET", "/api/runs")["runs"][0]
    wait_until(lambda: snapshot(server, newest["id"])["status"] == "failed", "the run has failed")
    assert snapshot(server, newest["id"])["error"]["code"] == "upstream_failed"
    wait_until(lambda: snapshot(server, newest["id"])["viewers"] == 0, "nobody watches it")


def test_a_refusal_without_a_problem(server: Server, upstream: Upstream) -> None:
    """Only the status is passed on, not the text, which is for people. A redirect becomes a 502."""
    upstream.will(lambda call: call.answer(503, b"<h1>stack trace</h1>", "text/html"))
    with Connection(server) as viewer:
        assert begin(viewer, headers={"Prefer": "respond-async"}) == 503
        document = json.loads(viewer.body())
    assert (document["status"], document["code"]) == (503, "upstream_failed")
    assert document["detail"] == "The upstream answered 503."
    upstream.will(lambda call: call.answer(302, b"", "text/html", location="http://127.0.0.1:1/"))
    with Connection(server) as viewer:
        assert begin(viewer) == 502


def test_an_upload_goes_through(server: Server, upstream: Upstream) -> None:
    """A form with a file and fields arrives as a form, also without a model of the input."""
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
    form = upstream.calls[0].body
    assert form.count(b"x" * 500_000) == 1
    assert b'name="doc"; filename="a.txt"' in form
    assert b'name="n"\r\n\r\n3\r\n' in form


def delay(upstream: Upstream, viewer: Connection, leave: str = "close") -> float:
    """Seconds from a viewer's disconnect until the gateway has closed its connection to the upstream."""
    upstream.left_at.clear()
    left = time.monotonic()
    getattr(viewer, leave)()
    wait_until(lambda: upstream.left_at, "the connection to the upstream is closed")
    return upstream.left_at[0] - left


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_viewer_that_leaves_before_the_first_byte(server: Server, upstream: Upstream, leave: str, path: str) -> None:
    """The connection to the upstream is closed while the viewer's request still waits for an answer."""

    def once() -> float:
        upstream.calls.clear()
        with Connection(server) as viewer:
            viewer.send(request_bytes("POST", path, JSON, b"{}"))
            upstream.call(0)
            return delay(upstream, viewer, leave)

    upstream.will(silent)
    promptly(once)


@pytest.mark.parametrize("path", ["/relay/api/operations/work", "/api/operations/work"])
def test_the_upstream_stops_with_the_last_viewer(server: Server, upstream: Upstream, path: str) -> None:
    """After its first event: the connection is closed, and the run there is cancelled."""

    def once() -> float:
        upstream.calls.clear()
        with Connection(server) as viewer:
            viewer.request("POST", path, JSON, b"{}")
            viewer.message()
            seconds = delay(upstream, viewer)
        assert (upstream.call(1).method, upstream.call(1).path) == ("DELETE", "/api/runs/upstream-run")
        return seconds

    upstream.will(silent_run)
    promptly(once)


def silent_run(call: Call) -> None:
    """A run that begins, then sends nothing, and accepts its DELETE."""
    if call.method == "DELETE":
        call.answer(202, b"{}", "application/json")
    else:
        hold(call.begin_run())


def test_a_viewer_that_closes_its_side_only(server: Server, upstream: Upstream) -> None:
    """It has not left, and gets its stream."""
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
    events = [("", "[DONE]! "), ("", "plain\ntext"), ("start", START), ("odd name", "[1]"), ("", {"b": 2})]
    frames = b"".join(frame(name, data) for name, data in events) + frame("result", stamped(result=1), 7)
    upstream.will(lambda call: call.stream(frames + frame("done", stamped(status="succeeded", elapsed=1), 8)))
    with Connection(server) as viewer:
        assert viewer.request("GET", "/relay/any/path?a=1&b=2").status == 200
        assert viewer.head.headers["content-type"] == "text/event-stream"
        body = viewer.body()
    assert body == HEARTBEAT + frames + frame("done", stamped(status="succeeded", elapsed=1), 8)
    assert (upstream.calls[0].method, upstream.calls[0].path) == ("GET", "/any/path?a=1&b=2")
    assert "content-length" not in upstream.calls[0].headers


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_an_upload_streams(server: Server, upstream: Upstream, chunked: bool) -> None:
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
    wait_until(lambda: upstream.left_at, "half a body does not look whole")


def test_a_body_arrives_whole(server: Server, upstream: Upstream) -> None:
    """Byte for byte."""
    upstream.will(lambda call: call.read().stream(frame("tick", "ok")))
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/echo", {"Content-Type": "text/plain"}, b"y" * 300_000)
        assert viewer.message().data == "ok"
    assert upstream.calls[0].body == b"y" * 300_000


def test_a_body_that_was_read_before(server: Server, upstream: Upstream) -> None:
    """A relay passes on what the application has kept of it; without that it fails, and says so."""
    upstream.will(lambda call: call.read().stream(frame("tick", "ok")))
    upstream.will(lambda call: call.read().stream(frame("tick", "ok")))
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/echo", {"Content-Type": "text/plain", "X-Read": "cached"}, b"y" * 300_000)
        assert viewer.message().data == "ok"
    assert upstream.calls[0].body == b"y" * 300_000
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/echo", {"Content-Type": "text/plain", "X-Read": "uncached"}, b"y" * 300_000)
        body = viewer.body()
        assert b"body of the request broke off" in body or b"body_consumed" in body  # only some servers' streams tell


def test_a_relay_passes_on_a_refusal(server: Server, upstream: Upstream) -> None:
    """As the response, with its status."""
    document = {"title": "No", "status": 403, "detail": "Not yours.", "code": "forbidden"}
    upstream.will(lambda call: call.answer(403, json.dumps(document).encode(), "application/problem+json"))
    with Connection(server) as viewer:
        assert viewer.request("GET", "/relay/x").status == 403
        assert json.loads(viewer.body())["detail"] == "Not yours."


@pytest.mark.parametrize("early", ["the connection breaks", "the response ends"])
def test_a_relay_that_is_cut(server: Server, upstream: Upstream, early: str) -> None:
    """It ends with an error in the words of the upstream's service, after the events before the cut."""
    chunk = frame("", {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "a"}}]})

    def script(call: Call) -> None:
        call.head().chunk(chunk)
        (call.cut if early.startswith("the conn") else call.finish)()

    upstream.will(script)
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x")
        body = viewer.body()
    _, error = Parser().feed(body)
    assert body == HEARTBEAT + chunk + frame("", error.data)
    assert json.loads(error.data)["error"]["code"] == "upstream_truncated"


def test_a_relay_of_an_unknown_service_that_is_cut(server: Server, upstream: Upstream) -> None:
    """Its connection breaks off as that to the upstream did, after the events before the cut; the log says why."""
    upstream.will(lambda call: call.head().chunk(frame("tick", {"n": 1})).cut())
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x")
        assert viewer.message().event == "tick"
        with pytest.raises((Cut, ConnectionError)):
            list(viewer.messages())
    wait_until(lambda: "a relay breaks off" in server.log(), "the log says why")
    assert "Traceback" not in server.log()


def test_a_relay_of_a_run_that_is_cut(server: Server, upstream: Upstream) -> None:
    """One of Headway ends with `error` and `done`."""
    upstream.will(lambda call: call.head().chunk(frame("start", START)).finish())
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x")
        start, error, done = viewer.messages()
    assert (start.event, error.event, done.event) == ("start", "error", "done")
    assert (error.json["code"], error.json["retryable"], done.json["status"]) == ("upstream_truncated", True, "failed")


def test_an_answer_that_is_no_stream(server: Server, upstream: Upstream) -> None:
    """It passes with its status, its body and the headers that are for the caller, however long it takes."""
    body = json.dumps({"id": "chatcmpl-1", "choices": []}).encode()

    def script(call: Call) -> None:
        time.sleep(0.7)  # longer than the patience for a stream
        call.answer(200, body, "application/json", x_request_id="req_1", x_ratelimit_remaining="9", set_cookie="a=b")

    upstream.will(script)
    with Connection(server) as viewer:
        head = viewer.request("POST", "/relay/x", {"Accept": "application/json"}, b"{}")
        assert (head.status, viewer.body()) == (200, body)
    headers = head.headers
    assert (headers["content-type"], headers["x-request-id"], headers["x-ratelimit-remaining"]) == (
        "application/json",
        "req_1",
        "9",
    )
    assert "set-cookie" not in headers
    assert upstream.calls[0].headers["accept"] == "application/json"


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_refusal_passes_as_it_is(server: Server, upstream: Upstream, status: int) -> None:
    """With its body, and when to come again."""
    body = b'{"error": {"message": "no", "type": "x"}}'
    upstream.will(lambda call: call.answer(status, body, "application/json", retry_after="7", request_id="r"))
    with Connection(server) as viewer:
        head = viewer.request("POST", "/relay/x", {"Accept": "text/event-stream"}, b"{}")
        assert (head.status, viewer.body()) == (status, body)
    assert (head.headers["retry-after"], head.headers["request-id"]) == ("7", "r")


def test_the_headers_of_a_stream(server: Server, upstream: Upstream) -> None:
    """Those for the caller pass, beside Headway's own."""
    upstream.will(lambda call: call.stream(frame("tick", "1"), x_request_id="req_2", cache_control="max-age=9"))
    with Connection(server) as viewer:
        headers = viewer.request("GET", "/relay/x").headers
        assert viewer.body().endswith(frame("tick", "1"))
    assert (headers["x-request-id"], headers["cache-control"]) == ("req_2", "no-cache, no-transform")


def test_an_upstream_that_cannot_be_reached() -> None:
    """A 502 that says so."""
    with gunicorn("tests.apps.gateway:app", env={"UPSTREAM": "http://127.0.0.1:1"}) as server:
        response = httpx.post(f"{server.url}/relay/x", json={})
    assert (response.status_code, response.json()["code"]) == (502, "upstream_failed")


def test_a_relay_resumes_a_run(server: Server, upstream: Upstream) -> None:
    """An upstream run is resumed, and its viewer does not notice."""
    done = frame("done", stamped(status="succeeded", elapsed=1), 4)
    upstream.will(
        lambda call: call.begin_run().chunk(frame("tick", stamped(n=1), 2)).cut(),
        lambda call: call.stream(frame("tick", stamped(n=2), 3), done),
    )
    with Connection(server) as viewer:
        viewer.request("POST", "/relay/api/operations/work", JSON, b"{}")
        assert names(viewer.messages()) == ["start", "tick", "tick", "done"]
    assert upstream.calls[1].headers["last-event-id"] == "2"


def test_a_relay_that_is_dropped(server: Server, upstream: Upstream) -> None:
    """If the host application sends another response in the end, the connection to the upstream is closed."""
    upstream.will(lambda call: hold(call.head().chunk(frame("tick", "1"))))
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x", {"X-Replace": "1"})
        assert viewer.body() == b"instead"
        wait_until(lambda: upstream.left_at, "the connection to the upstream is closed")


def test_a_relay_to_a_viewer_that_reads_nothing(server: Server, upstream: Upstream) -> None:
    """It reads no more of its upstream than the buffers on the way hold."""
    block, sent = frame("tick", "x" * 6_500), [0]

    def script(call: Call) -> None:
        call.read().head()
        call.socket.settimeout(1.0)
        with contextlib.suppress(OSError):
            for _ in range(15_000):
                call.chunk(block)
                sent[0] += len(block)
        call.over = True
        upstream.left_at.append(time.monotonic())

    upstream.will(script)
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x")
        wait_until(lambda: upstream.left_at, "the upstream can send no more")
        assert sent[0] < 7_500 * len(block)


def test_heartbeats_of_its_own(server: Server, upstream: Upstream) -> None:
    """Viewers get heartbeats although the upstream sends none."""
    upstream.will(lambda call: hold(call.head().chunk(frame("tick", "1"))))
    with Connection(server) as viewer:
        viewer.request("GET", "/relay/x", {"X-Beat": "0.2"})
        viewer.message()
        assert viewer.comment().encode() in HEARTBEAT


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
def test_comments_pass_as_heartbeats(server: Server, upstream: Upstream, path: str) -> None:
    """Heartbeats of the upstream become heartbeats for the viewers, long before their own."""
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


def test_head(server: Server, upstream: Upstream) -> None:
    """HEAD sends no request to the upstream."""
    with Connection(server) as viewer:
        assert viewer.request("HEAD", "/relay/x").status == 200
    assert not upstream.calls


# Memory


@pytest.mark.parametrize("path", ["/relay/x", "/api/operations/work"])
def test_memory_is_flat(upstream: Upstream, path: str) -> None:
    """The worker does not grow with a hundred thousand events."""
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
            growth = inside(server)["resident"] - before
    assert growth < count * size / 2, f"{growth:,} bytes more"


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
