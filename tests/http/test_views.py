"""The views of an event log, where a stream begins, and what it joins, by Flask's test client in both worlds."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from streaming import Headway, OperationError, Parser, ask, delta, event, operation, partial, progress, stream
from streaming.errors import StoreAway
from streaming.http import page_module
from streaming.http.heartbeat import Heartbeat
from streaming.http.views.base import SharedViews
from streaming.http.views.html import Html, RunUrls
from streaming.protocol.events import make_event
from streaming.protocol.frames import merge_deltas
from streaming.protocol.sse import frame
from streaming.runs.observers import Observer, Refused
from streaming.runtime.worker import Worker
from streaming.stores.base import Store
from tests.figures import Figures
from tests.worlds import World

EVENTS = ["start", "progress", "delta", "delta", "delta", "chart", "text", "partial", "result", "done"]
HTMX_4 = {"HX-Request": "true", "Accept": "text/html, text/event-stream"}
"""The headers of htmx 4 with its extension for streams."""


@operation
def report() -> Any:
    """One event of each kind."""
    yield progress("<b>Reading</b>", done=1, total=2)
    yield delta("<i>one")
    yield delta("\ntwo")
    yield delta("aside", channel="thinking")
    yield event("chart", {"event": "own", "points": [1]})
    yield event("text", "two\nlines")
    yield partial("page", 1)
    return {"<u>": ["a", True]}


@operation(linger=60)
def asking() -> Any:
    """Asks one question."""
    answer = yield ask("Keep <it>?", schema={"type": "boolean"})
    return answer


@operation
def failing() -> Any:
    """Fails."""
    yield progress("begun")
    raise OperationError("no_pages", "The document has <no> pages.")


@operation
def talking() -> Any:
    """Five hundred deltas."""
    for number in range(500):
        yield delta(f"{number} ")
    return None


@operation
def chattering() -> Any:
    """A hundred thousand deltas."""
    for _ in range(100_000):
        yield delta("token ")


class Site:
    """An application in whose folder a test may put templates, and a client of it."""

    def __init__(self, world: World, folder: Path, **options: Any) -> None:
        self.world = world
        self.app = Flask(__name__, template_folder=str(folder), root_path=str(folder))
        self.app.secret_key = "not secret"
        self.folder = folder / "headway"
        self.folder.mkdir()
        self.headway = Headway(self.app, operations=[report, asking, failing, talking, chattering], **options)
        self.client: FlaskClient = self.app.test_client()
        self.base_url = "http://localhost"

    def template(self, name: str, text: str) -> None:
        """Writes the application's own template of an event."""
        (self.folder / f"{name}.html").write_text(text)

    def run(self, name: str, status: str = "succeeded") -> str:
        """A run that has come to this status."""
        response = self.client.post(f"/operations/{name}", headers={"Prefer": "respond-async"})
        run = response.headers["Run-Id"]
        store: Store = self.headway.runner.store
        self.world.until(lambda: (found := store.find(run)) is not None and found.status == status, status)
        return run

    def read(self, path: str, **headers: str) -> list[Any]:
        """The messages of a whole stream, as an `EventSource` sees them."""
        response = self.client.get(path, headers=headers, base_url=self.base_url)
        assert response.status_code == 200, response.text
        assert response.content_type == "text/event-stream"
        assert b"\r" not in response.data
        return Parser().feed(response.data)

    def problem(self, response: TestResponse) -> Any:
        """What a refusal names."""
        assert response.content_type == "application/problem+json", response.text
        return response.get_json()["errors"][0]["loc"]


@pytest.fixture
def site(world: World, tmp_path: Path) -> Iterator[Site]:
    """An application with the operations above."""
    site = Site(world, tmp_path)
    yield site
    site.headway.close()
    world.worker.part(SharedViews).close()
    assert not world.worker.part(Heartbeat).viewers


# -- which view --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [{"view": "xml"}, {"view": ""}, {"view": "html", "names": "2"}, {"merge": "all"}, {"from": "first"}],
    ids=str,
)
def test_a_view_that_does_not_exist(site: Site, query: dict[str, str]) -> None:
    """It is refused, and the field named, before anything starts."""
    wrong = list(query)[-1]
    run = site.run("report")
    assert site.problem(site.client.get(f"/runs/{run}/events", query_string=query)) == [wrong]
    started = site.client.post("/operations/report", query_string=query)
    assert (started.status_code, site.problem(started)) == (400, [wrong])
    assert len(site.client.get("/runs").get_json()["runs"]) == 1


# -- messages and text -------------------------------------------------------------------------------------------------


def test_messages_without_names(site: Site) -> None:
    """Each event is an unnamed message with its id, its data and its name as `event`; `[DONE]` is the last one."""
    run = site.run("report")
    events = [
        json.loads(message.data) if message.event != "text" else None for message in site.read(f"/runs/{run}/events")
    ]
    *messages, last = site.read(f"/runs/{run}/events?view=messages")
    assert last.data == "[DONE]"
    assert {message.event for message in messages} == {"message"}
    assert [int(message.id) for message in messages] == list(range(1, 11))
    decoded = [json.loads(message.data) for message in messages]
    assert [data["event"] for data in decoded] == EVENTS
    for data, original in zip(decoded, events, strict=True):
        if original is not None:
            assert data == original | {"event": data["event"]}
    assert decoded[6] == {"event": "text", "data": "two\nlines"}


def test_the_text_alone(site: Site) -> None:
    """Only what the deltas of the channel `text` say is there, with its lines, and `[DONE]` at the end."""
    run = site.run("report")
    messages = site.read(f"/runs/{run}/events?view=text")
    assert [(int(message.id), message.event, message.data) for message in messages] == [
        (3, "message", "<i>one"),
        (4, "message", "\ntwo"),
        (10, "message", "[DONE]"),
    ]


@pytest.mark.parametrize("view", ["html", "messages", "text"])
def test_a_view_is_resumed(site: Site, view: str) -> None:
    """After `Last-Event-ID` it goes on with the events that follow, and where none does, the answer is 204."""
    run = site.run("report")
    path = f"/runs/{run}/events?view={view}"
    whole = site.read(path)
    assert site.read(path, **{"Last-Event-ID": "3"}) == [each for each in whole if int(each.id) > 3]
    assert site.client.get(path, headers={"Last-Event-ID": "10"}).status_code == 204


@pytest.mark.parametrize("view", ["html", "messages"])
def test_a_start_with_a_view(site: Site, view: str) -> None:
    """The stream that answers a start is seen through it too, and names its run."""
    response = site.client.post("/operations/report", query_string={"view": view, "names": "0"})
    messages = Parser().feed(response.data)
    assert [int(message.id) for message in messages][:3] == [1, 2, 3]
    assert response.headers["Location"] == f"/runs/{response.headers['Run-Id']}"


def test_what_a_stream_alone_sends(site: Site) -> None:
    """`stream()` takes a view by its name, or lets the client choose; it refuses another one, and closes its work."""
    closed = []

    def work() -> Iterator[Any]:
        try:
            yield delta("<i>")
        finally:
            closed.append(True)

    @site.app.get("/fixed")
    def fixed() -> Response:
        return stream(work(), view="text")

    @site.app.get("/chosen")
    def chosen() -> Response:
        return stream(work(), view=request.args)

    assert [message.data for message in site.read("/fixed")] == ["<i>", "[DONE]"]
    names = [message.event for message in site.read("/chosen?view=html&names=0")]
    assert names == ["start", "message", "message", "done"]
    assert [message.event for message in site.read("/chosen")] == ["start", "delta", "result", "done"]
    assert site.problem(site.client.get("/chosen?view=xml")) == ["view"]
    assert len(closed) == 3


# -- HTML --------------------------------------------------------------------------------------------------------------


def test_events_as_html(site: Site) -> None:
    """Each has its id, its name and the HTML of our template; what a template does not exist for has no message."""
    run = site.run("report")
    messages = {message.event: message for message in site.read(f"/runs/{run}/events?view=html")}
    assert list(messages) == ["start", "progress", "delta", "result", "done"]
    assert [message.id for message in messages.values()] == ["1", "2", "5", "9", "10"]
    assert "&lt;b&gt;Reading&lt;/b&gt;" in messages["progress"].data
    assert '<progress value="1" max="2">' in messages["progress"].data
    assert "<dt>&lt;u&gt;</dt><dd><ul><li>a</li><li>true</li></ul></dd>" in messages["result"].data
    assert "Done." in messages["done"].data


def test_the_frames_of_what_has_no_template(site: Site) -> None:
    """An id alone stands for it, so that the viewer comes back after it."""
    run = site.run("report")
    body = site.client.get(f"/runs/{run}/events?view=html").data
    assert b"\n\nid: 6\n\nid: 7\n\nid: 8\n\nid: 9\nevent: result\n" in body


def test_names_for_htmx_4(site: Site) -> None:
    """Only `start` and `done` keep theirs; our HTML says where it goes."""
    run = site.run("report")
    messages = site.read(f"/runs/{run}/events?view=html&names=0")
    assert [message.event for message in messages] == ["start", *["message"] * 5, "done"]
    assert messages[1].data.startswith('<hx-partial hx-target="find .headway-progress" hx-swap="innerHTML">')
    assert messages[2].data.startswith('<hx-partial hx-target="find .headway-text" hx-swap="beforeend">')
    assert "&lt;i&gt;one" in messages[2].data


def test_an_error_as_html(site: Site) -> None:
    """It says what viewers may read, escaped."""
    run = site.run("failing", "failed")
    messages = site.read(f"/runs/{run}/events?view=html")
    assert "The document has &lt;no&gt; pages." in messages[-2].data
    assert "Failed." in messages[-1].data


def test_templates_of_the_application(site: Site) -> None:
    """Its own come first, also for events of its own; they are escaped, and may use what it has given to Jinja."""
    site.app.jinja_env.filters["loud"] = str.upper
    site.template("delta", "{{ event }} {{ id }} {{ data.text | loud }} of {{ run.url }}")
    site.template("chart", "<svg>{{ data.points }}</svg>\n")
    run = site.run("report")
    data = [message.data for message in site.read(f"/runs/{run}/events?view=html")]
    assert f"delta 3 &lt;I&gt;ONE of /runs/{run}" in data
    assert "<svg>[1]</svg>" in data


def test_translated_words(site: Site) -> None:
    """A template of the words replaces those of ours, in the language of each viewer."""
    site.app.jinja_env.globals["_"] = lambda text: f"{text} ({request.headers['Accept-Language']})"
    site.template("_words", '{% set words = {"succeeded": _("Fertig"), "cancel": "Halt"} %}')
    run = site.run("report")
    path = f"/runs/{run}/events?view=html"
    assert "Fertig (de)" in site.read(path, **{"Accept-Language": "de"})[-1].data
    assert "Fertig (fr)" in site.read(path, **{"Accept-Language": "fr"})[-1].data


class Counted:
    """A global of Jinja's that counts how often it is used."""

    def __init__(self, site: Site) -> None:
        self.count = 0
        site.app.jinja_env.globals["counted"] = self.use

    def use(self) -> str:
        """Shows nothing."""
        self.count += 1
        return ""


def test_a_template_is_rendered_once_a_run(site: Site) -> None:
    """However many viewers a run has, wherever they begin, and once more where it has another path."""
    counted = Counted(site)
    site.template("delta", "{{ counted() }}{{ data.text }}")
    run = site.run("report")
    path = f"/runs/{run}/events?view=html"
    first = site.read(path)
    assert site.read(path) == first
    site.read(path, **{"Last-Event-ID": "3"})
    assert counted.count == 3
    site.read(f"/runs/{site.run('report')}/events?view=html")
    assert counted.count == 6
    site.base_url = "http://localhost/app"
    site.read(path)
    assert counted.count == 9


@pytest.mark.parametrize(
    "asks",
    [
        "of {{ viewer.owner }}",
        "{{ request.path }}",
        "{{ session.get('name') }}",
        "{{ url_for('headway.runs') }}",
        "{{ theme }}",
        "{% if missing is defined %}{% endif %}",
        '{% include "headway/mine.html" %}',
        '{% include ["headway/none.html", data.text] ignore missing %}',
    ],
)
def test_a_template_that_asks_for_the_viewer(site: Site, asks: str) -> None:
    """It is rendered for each, in the context of its request."""
    counted = Counted(site)
    site.app.context_processor(lambda: {"theme": request.headers.get("X-Theme", "light")})
    site.template("mine", "{{ request.path }}")
    site.template("delta", "{{ counted() }}" + asks)
    path = f"/runs/{site.run('report')}/events?view=html"
    for _ in range(2):
        assert "delta" in [message.event for message in site.read(path)], "it failed"
    assert counted.count == 6


def test_what_a_viewer_sees_of_its_request(world: World, tmp_path: Path) -> None:
    """Its owner, its session, what a context processor makes of it, and URLs under its prefix."""
    site = Site(world, tmp_path, authorize=lambda _: "ann")
    site.app.context_processor(lambda: {"theme": request.headers.get("X-Theme", "light")})
    site.template("done", "{{ viewer.owner }} {{ theme }} {{ url_for('headway.runs') }} {{ run.answer }}")
    run = site.run("report")
    site.base_url = "http://localhost/app"
    shown = site.read(f"/runs/{run}/events?view=html", **{"X-Theme": "dark"})[-1].data
    assert shown == f"ann dark /app/runs /app/runs/{run}/answer"
    site.headway.close()


@pytest.mark.parametrize("text", ["{{ data.nothing.at_all }}", "{{ 1 // 0 }}", "{% include 'headway/none.html' %}"])
def test_a_template_that_fails(site: Site, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """The stream goes on without it, and the log says why, once; the end keeps its name."""
    site.template("delta", text)
    site.template("done", text)
    with caplog.at_level(logging.ERROR, "headway"):
        messages = site.read(f"/runs/{site.run('report')}/events?view=html")
    assert [message.event for message in messages] == ["start", "progress", "result", "done"]
    assert messages[-1].data == ""
    assert [record.args for record in caplog.records] == [("delta",), ("done",)]


def test_line_ends_in_html(site: Site) -> None:
    """A CR of a template cannot begin a field of the stream."""
    site.template("delta", "one\r\ntwo\rdata: three\n\nid: 9")
    messages = site.read(f"/runs/{site.run('report')}/events?view=html")
    assert messages[2].data == "one\ntwo\ndata: three\n\nid: 9"


# -- a page ------------------------------------------------------------------------------------------------------------


def test_a_start_by_htmx_2(site: Site) -> None:
    """It cannot read a stream that answers a form, and gets HTML that follows the run."""
    answer = site.client.post("/operations/asking?view=html", headers={"HX-Request": "true"}, data={})
    run = answer.headers["Run-Id"]
    assert (answer.status_code, answer.content_type) == (202, "text/html; charset=utf-8")
    assert f'sse-connect="/runs/{run}/events?view=html" sse-close="done"' in answer.text
    assert f'hx-delete="/runs/{run}"' in answer.text
    assert "Preference-Applied" not in answer.headers
    site.client.delete(f"/runs/{run}")


def test_a_start_by_htmx_4(site: Site) -> None:
    """It reads the stream that answers its form, or gets HTML that follows the run where it prefers that."""
    path = "/operations/report?view=html&names=0"
    answer = site.client.post(path, headers=HTMX_4, data={})
    assert answer.content_type == "text/event-stream"
    assert [message.event for message in Parser().feed(answer.data)][-2:] == ["message", "done"]
    answer = site.client.post(path, headers={**HTMX_4, "Prefer": "respond-async"}, data={})
    assert f'hx-sse:connect="/runs/{answer.headers["Run-Id"]}/events?view=html&amp;names=0"' in answer.text


@pytest.mark.parametrize(("value", "result"), [("true", True), ("false", False)])
def test_an_answer_by_a_form(site: Site, value: str, result: bool) -> None:
    """The form that a question is shown as answers it."""
    run = site.run("asking", "waiting")
    path = f"/runs/{run}/events?view=html"
    shown = next(iter(site.client.get(path).iter_encoded())).decode()
    question = json.loads(site.client.get(f"/runs/{run}").data)["question"]["question"]
    assert f'hx-post="/runs/{run}/answer"' in shown
    assert f'name="question" value="{question}"' in shown
    assert "Keep &lt;it&gt;?" in shown
    assert f'name="answer" value="{value}"' in shown
    form = {"question": question, "answer": value}
    assert site.client.post(f"/runs/{run}/answer", data=form).status_code == 202
    assert json.loads(site.read(f"/runs/{run}/events")[-2].data)["result"] is result


def test_answers_by_a_form_that_are_refused(site: Site) -> None:
    """Another site, a value that does not fit and a form without a question are, as in JSON."""
    run = site.run("asking", "waiting")
    path, form = f"/runs/{run}/answer", {"question": "q2", "answer": "perhaps"}
    foreign = site.client.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.get_json()["code"]) == (403, "cross_site")
    unfit = site.client.post(path, data=form)
    assert (unfit.status_code, unfit.get_json()["errors"][0]["loc"]) == (422, ["answer"])
    assert site.client.post(path, data={"answer": "true"}).status_code == 400
    assert site.client.post(path, data={"question": "q1", "answer": "true"}).status_code == 409
    site.client.delete(f"/runs/{run}")


def test_a_snapshot_as_html(site: Site) -> None:
    """A page that is loaded again goes on with the run, and one that is over has no button."""
    run = site.run("report")
    shown = site.client.get(f"/runs/{run}?view=html")
    assert shown.content_type == "text/html; charset=utf-8"
    assert "Done." in shown.text
    assert "<button" not in shown.text


def test_the_module_for_pages(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no key, caches revalidate it, and where it was not built the answer says how it is."""
    site, path = Site(world, tmp_path, api_keys="ann:key"), tmp_path / "client.js"
    monkeypatch.setattr(page_module, "MODULE", path)
    missing = site.client.get("/headway/client.js")
    assert (missing.status_code, missing.get_json()["code"]) == (501, "not_installed")
    assert "make setup" in missing.get_json()["detail"]
    path.write_text("export {}")
    module = site.client.get("/headway/client.js")
    assert (module.status_code, module.text, module.mimetype) == (200, "export {}", "text/javascript")
    assert module.headers["Cache-Control"] == "no-cache"
    tag = {"If-None-Match": module.headers["ETag"]}
    assert site.client.get("/headway/client.js", headers=tag).status_code == 304
    site.headway.close()


# -- where a stream begins, and what it joins --------------------------------------------------------------------------


def test_from_the_latest(site: Site) -> None:
    """The stream begins with the newest event; an id to go on after comes first."""
    run = site.run("report")
    path = f"/runs/{run}/events?from=latest"
    assert [message.id for message in site.read(path)] == ["10"]
    assert [message.id for message in site.read(path, **{"Last-Event-ID": "8"})] == ["9", "10"]
    live = site.run("asking", "waiting")
    first = next(iter(site.client.get(f"/runs/{live}/events?from=latest").iter_encoded()))
    assert first.startswith(b"retry: 2000\n\nid: 2\nevent: question\n")
    site.client.delete(f"/runs/{live}")


def test_deltas_are_joined(site: Site) -> None:
    """Successive ones of a channel become the last of them with the text of all; nothing else changes."""
    run = site.run("report")
    whole = site.read(f"/runs/{run}/events")
    merged = site.read(f"/runs/{run}/events?merge=deltas")
    assert [message for message in merged if message.id != "4"] == [each for each in whole if each.id not in "34"]
    joined, last = json.loads(merged[2].data), json.loads(whole[3].data)
    assert (merged[2].id, merged[2].event) == ("4", "delta")
    assert joined == {"timestamp": last["timestamp"], "text": "<i>one\ntwo", "channel": "text"}


def test_joined_deltas_are_the_same_text(site: Site) -> None:
    """Five hundred deltas are one event, wherever a viewer begins, and through a view as well."""
    run = site.run("talking")
    merged = site.read(f"/runs/{run}/events?merge=deltas", **{"Last-Event-ID": "101"})
    assert [message.event for message in merged] == ["delta", "result", "done"]
    assert json.loads(merged[0].data)["text"] == "".join(f"{number} " for number in range(100, 500))
    text, end = site.read(f"/runs/{run}/events?merge=deltas&view=text")
    assert (text.id, end.data) == ("501", "[DONE]")


@pytest.mark.long
def test_a_long_run(site: Site, figures: Figures) -> None:
    """A viewer of a run of 100,000 deltas is there within a second, on a machine without other work."""
    run = site.run("chattering")
    began = time.monotonic()
    messages = site.read(f"/runs/{run}/events?merge=deltas")
    seconds = time.monotonic() - began
    figures.add("a viewer of 100,000 deltas catches up in", f"{seconds:.2f} s")
    assert sum(len(json.loads(message.data)["text"]) for message in messages if message.event == "delta") == 600_000
    assert len(messages) < 1000
    assert seconds < 10


def test_deltas_of_several_runs_on_one_stream(site: Site) -> None:
    """Those of each are joined, and the last one's id has the numbers of all."""
    runs = [site.run("talking") for _ in range(2)]
    query = {"run": runs, "merge": "deltas"}
    messages = Parser().feed(site.client.get("/events", query_string=query).data)
    texts = {
        run: [message for message in messages if message.id.startswith(run) and message.event == "delta"]
        for run in runs
    }
    for run in runs:
        assert [json.loads(message.data)["text"] for message in texts[run]] == ["".join(f"{n} " for n in range(500))]
        assert texts[run][0].id.split(",")[0] == f"{run}:501"
    wrong = site.client.get("/events", query_string={**query, "view": "html"})
    assert (wrong.status_code, site.problem(wrong)) == (400, ["view"])


def frames(*events: tuple[str, str]) -> bytes:
    """A block of these events."""
    return b"".join(
        f"id: {number}\nevent: {name}\ndata: {data}\n\n".encode() for number, (name, data) in enumerate(events, 1)
    )


@pytest.mark.parametrize(
    "data",
    [
        '{"timestamp":"t","text":"x","channel":"text","index":1}',
        '{"timestamp":"t","text":1,"channel":"text"}',
        '{"text":"x"}',
        "text",
        "{",
        "{\ndata: }",
    ],
)
def test_deltas_of_another_form(data: str) -> None:
    """Those that a gateway's upstream has made are left as they are."""
    block = frames(("delta", data), ("delta", data))
    assert merge_deltas(block) == block


def test_what_separates_deltas() -> None:
    """Another channel does, and any other event, also one that only looks like a delta."""
    one = '{"timestamp":"1","text":"é\\"\\n\\\\","channel":"text"}'
    two = '{"timestamp":"2","text":"\\u2028","channel":"text"}'
    aside = '{"timestamp":"3","text":"hm","channel":"thinking"}'
    merged = merge_deltas(frames(("delta", one), ("delta", two), ("delta", aside), ("x", "id: 1"), ("delta", one)))
    assert [message.id for message in Parser().feed(merged)] == ["2", "3", "4", "5"]
    assert b'{"timestamp":"2","text":"\xc3\xa9\\"\\n\\\\\\u2028","channel":"text"}' in merged


# -- a stock EventSource -----------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(world: World, tmp_path: Path) -> Iterator[Site]:
    """An application whose client has as many streams as it may have, and the store of which can be away."""
    site = Site(world, tmp_path, max_streams_per_client=1)
    yield site
    site.headway.close()


class Watch(Observer):
    """Counts refusals."""

    def __init__(self) -> None:
        self.refusals: list[Refused] = []

    def refused(self, refused: Refused) -> None:
        """One refusal."""
        self.refusals.append(refused)


STOCK = {"Accept": "text/event-stream"}
OURS = {"Accept": "text/event-stream, application/problem+json"}


def test_an_event_source_that_finds_no_room(crowded: Site) -> None:
    """It is sent away for a while by a 200, at any other status it would give up; others get the status."""
    run = crowded.run("asking", "waiting")
    path = f"/runs/{run}/events"
    open_stream = crowded.client.get(path)
    watch = Watch()
    crowded.headway.observers.append(watch)
    for headers in (OURS, {"Accept": "*/*"}, {}, {"Accept": "text/event-stream;q=0"}):
        assert crowded.client.get(path, headers=headers).status_code == 429
    for headers in (STOCK, {"Accept": "text/html, text/event-stream"}):
        away = crowded.client.get(path, headers=headers)
        assert (away.status_code, away.content_type) == (200, "text/event-stream")
        assert Parser().feed(away.data) == []
        milliseconds = int(away.text.removeprefix("retry: ").partition("\n")[0])
        assert 5000 <= milliseconds <= 6250
        assert "too_many_streams" in away.text
    assert crowded.client.get("/runs/none/events", headers=STOCK).status_code == 404
    open_stream.close()
    stream = crowded.client.get(path, headers=STOCK)
    assert next(iter(stream.iter_encoded())).startswith(b"retry: 2000\n\nid: 1\n")
    stream.close()
    assert [(refused.code, refused.status) for refused in watch.refusals] == [
        *[("too_many_streams", 429)] * 6,
        ("run_not_found", 404),
    ]
    crowded.client.delete(f"/runs/{run}")


def test_an_event_source_whose_store_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back later, and so it does to a worker that is full; a POST gets the status."""

    def away(*_: Any, **__: Any) -> Any:
        raise StoreAway("away")

    run = site.run("report")
    with monkeypatch.context() as patch:
        patch.setattr(site.headway.runner.store, "find", away)
        assert site.client.get(f"/runs/{run}/events", headers=STOCK).status_code == 200
        assert site.client.get(f"/runs/{run}/events", headers=OURS).status_code == 503
    monkeypatch.setitem(vars(site.headway), "most_streams", 0)
    assert site.client.get(f"/runs/{run}/events", headers=STOCK).text.endswith(": unavailable\n\n")
    assert site.client.post("/operations/report", headers=STOCK).status_code == 503


@pytest.mark.parametrize("names", [True, False])
def test_an_attempt_removes_the_text_after_its_checkpoint(names: bool) -> None:
    """Only that; without a checkpoint all of it."""
    app = Flask("attempts")
    run = RunUrls("r1", "/runs/r1", "/page", "/events", "/answer")
    with app.test_request_context():
        view = Html(app, Worker.current(), run, names=names, owner="")
        text = view(frame(4, delta("text"), b"")).decode()
        later = view(frame(7, make_event("attempt", {"attempt": 2, "after": 4}), b"")).decode()
        all_of_it = view(frame(8, make_event("attempt", {"attempt": 3, "after": 0}), b"")).decode()
    assert 'id="headway-r1-4"' in text
    assert [number for number in range(10) if f"headway-r1-{number}" in later] == [5, 6]
    assert "delete" in later
    assert ".headway-text" not in later
    assert "headway-r1-" not in all_of_it
    assert ".headway-text" in all_of_it
