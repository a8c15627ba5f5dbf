"""`agent` on real servers: its process, its cancel, its questions over HTTP, and a real model.

Its model says what each test has written down, but for the last test, whose model is the embedded one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from operations.agent import Agent, tools_for
from operations.tools.plans import MAX_CALLS
from operations.tools.schema import for_model
from tests.apps.agent_model import Loose, Reply, ScriptedModel, answer, calls
from tests.apps.apis import Apis, Fault
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.servers import Server, flask_run, gunicorn
from tests.worlds import assert_grammatical, is_gone

Json = dict[str, Any]
JSON = {"Content-Type": "application/json"}

OWN = ["add", "publish_note", "wait", "burn", "whereabouts"]
SERVERS = {"gunicorn": gunicorn, "flask run": flask_run}
deployed = pytest.mark.parametrize("service", ["gunicorn"], indirect=True, scope="module")
"""For what does not depend on the server."""


@dataclass
class Service:
    """The service, the server that answers as the APIs do, and the model."""

    server: Server
    apis: Apis
    model: ScriptedModel

    def says(self, *replies: Reply) -> None:
        """What the model replies from now on."""
        self.model.unsent[:] = replies
        self.model.requests.clear()
        self.apis.seen.clear()
        self.apis.faults.clear()

    def run(self, **input: Any) -> list[Message]:
        """A whole run."""
        response = httpx.post(f"{self.server.url}/operations/agent", json={"goal": "Go.", **input}, timeout=60)
        assert response.status_code == 200, response.text
        messages = parse_frames(response.content)
        assert_grammatical(messages)
        return messages

    def watch(self, viewer: Connection, **input: Any) -> str:
        """Starts a run whose stream `viewer` reads; gives its URL."""
        head = viewer.request("POST", "/operations/agent", JSON, json.dumps({"goal": "Go.", **input}).encode())
        assert head.status == 200
        return f"{self.server.url}/runs/{head.headers['run-id']}"


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service as it is deployed, and as it is developed with."""
    with ExitStack() as stack:
        apis, model = stack.enter_context(Apis()), stack.enter_context(ScriptedModel())
        env = {
            "HEADWAY_STORE": "memory:",
            "HEADWAY_TURNS": "model=100,analytics=100",
            "HEADWAY_AGENT_TOOLS": ",".join(f"tests.apps.agent_calls:{name}" for name in OWN),
            **apis.settings(),
            **model.settings(),
        }
        start: Callable[..., Any] = SERVERS[request.param]
        yield Service(stack.enter_context(start("app:app", env=env)), apis, model)


def data(messages: list[Message], event: str) -> list[Json]:
    """What the events of a name carry."""
    return [message.json for message in messages if message.event == event]


OSLO = {"latitude": 59.91, "longitude": 10.75, "days": None}


def test_a_goal_is_reached(service: Service) -> None:
    """Over HTTP, in a process of its own, in the grammar of all streams."""
    service.says(
        calls(("weather", OSLO), ("whereabouts", {})), calls(("encyclopedia", {"title": "Mercury"})), answer("-2.1 °C")
    )
    messages = service.run()
    names = [message.event for message in messages if message.event not in ("progress", "delta")]
    step = ["plan", "tool_call", "tool_call", "observation", "observation", "plan", "tool_call", "observation"]
    assert names == ["start", *step, "plan", "final_answer", "result", "done"]
    [result] = data(messages, "result")
    assert (result["result"]["answer"], result["result"]["ended"]) == ("-2.1 °C", "answered")
    [where] = [seen["text"] for seen in data(messages, "observation") if seen["tool"] == "whereabouts"]
    assert int(where) not in (service.server.pid, *service.server.worker_pids())
    wait_until(lambda: is_gone(int(where)), "its process has ended with it")


@pytest.mark.parametrize("busy", ["wait", "burn", "weather"])
def test_a_cancel_in_the_middle_of_a_call(service: Service, busy: str) -> None:
    """A run stops at once, whether its tool sleeps in a thread, burns the processor, or waits for a silent host."""
    service.says(calls(("whereabouts", {}), (busy, OSLO if busy == "weather" else {"seconds": 60})))
    service.apis.faults["/v1/forecast"] = [Fault(delay=60)]
    with Connection(service.server) as viewer:
        run = service.watch(viewer)
        pid = int(viewer.until("observation")[-1].json["text"])
        begun = time.monotonic()
        assert httpx.delete(run).status_code == 202
        done = viewer.until("done")[-1].json
        assert time.monotonic() - begun < 5
        assert (done["status"], done["reason"]) == ("cancelled", "requested")
        wait_until(lambda: is_gone(pid), "its process has ended")


@deployed
def test_a_cancel_in_the_middle_of_a_thought(service: Service) -> None:
    """The model's server is left at once: it can stop."""
    service.says(Loose(calls(("wait", {"seconds": 1}), part="Well. " * 500), pause=0.1))
    service.model.cut.clear()
    with Connection(service.server) as viewer:
        service.watch(viewer)
        viewer.until("delta")
    assert service.model.cut.wait(10)


@deployed
def test_a_run_stops_when_its_viewer_leaves(service: Service) -> None:
    """In the middle of a call too."""
    service.says(calls(("whereabouts", {}), ("wait", {"seconds": 60})))
    with Connection(service.server) as viewer:
        run = service.watch(viewer)
        pid = int(viewer.until("observation")[-1].json["text"])
    wait_until(lambda: httpx.get(run).json()["status"] == "cancelled", "the run is cancelled")
    wait_until(lambda: is_gone(pid), "its process has ended")


@pytest.mark.parametrize("yes", [True, False])
def test_a_person_says_yes_or_no(service: Service, yes: bool) -> None:
    """By an answer to the run's question; anything but yes or no is refused, and either goes on."""
    service.says(calls(("publish", {"text": "hello"})), answer("So be it."))
    with Connection(service.server, timeout=30) as viewer:
        run = service.watch(viewer)
        question = viewer.until("question")[-1].json
        assert 'call publish with {"text": "hello"}' in question["prompt"]
        assert httpx.get(run).json()["status"] == "waiting"

        def say(said: Any) -> int:
            return httpx.post(f"{run}/answer", json={"question": question["question"], "answer": said}).status_code

        assert say("maybe") == 422
        assert say(yes) == 202
        told = viewer.until("done")
    [seen] = data(told, "observation")
    assert (seen["ok"], seen["code"]) == (yes, None if yes else "not_approved")
    assert told[-1].json["status"] == "succeeded"


@deployed
def test_files_come_with_a_form(service: Service) -> None:
    """Several of them, and lists as fields that come several times."""
    service.says(
        calls(
            ("query", {"sql": "SELECT sum(pieces) FROM sales"}), ("read", {"file": None, "pages": None, "find": "42"})
        ),
        answer("7"),
    )
    files = [
        ("file", ("sales.csv", b"city,pieces\nOslo,3\nLisbon,4\n", "text/csv")),
        ("file", ("notes.txt", b"The answer is 42.", "text/plain")),
    ]
    form = {"goal": "How many?", "tools": ["query", "read"], "approve": "", "steps": "3"}
    response = httpx.post(f"{service.server.url}/operations/agent", files=files, data=form, timeout=60)
    messages = parse_frames(response.content)
    assert {seen["tool"]: seen["ok"] for seen in data(messages, "observation")} == {"query": True, "read": True}
    assert data(messages, "result")[0]["result"]["answer"] == "7"


@deployed
@pytest.mark.parametrize(
    ("input", "named"),
    [({}, "goal"), ({"goal": "x", "tools": ["teleport"]}, "tools"), ({"goal": "x", "steps": 99}, "steps")],
)
def test_input_that_does_not_fit(service: Service, input: Json, named: str) -> None:
    """Is a problem that names the field, before a run."""
    refused = httpx.post(f"{service.server.url}/operations/agent", json=input)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert [error["loc"] for error in refused.json()["errors"]] == [[named]]


@deployed
def test_the_catalogue_offers_the_tools(service: Service) -> None:
    """Those that ship and the deployment's own, as a choice."""
    listed = httpx.get(f"{service.server.url}/operations").json()["operations"]
    [entry] = [entry for entry in listed if entry["name"] == "agent"]
    assert {"weather", "read", "add", "publish"} <= set(entry["input"]["properties"]["tools"]["items"]["enum"])


def test_a_setting_that_cannot_be_read_stops_the_start() -> None:
    """With one line in the log."""
    with (
        pytest.raises(AssertionError, match=r"HEADWAY_AGENT_TOOLS is 'no\.such:tool'"),
        gunicorn("app:app", env={"HEADWAY_STORE": "memory:", "HEADWAY_AGENT_TOOLS": "no.such:tool"}),
    ):
        pass


@pytest.mark.timeout(240)
def test_with_the_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is far too small to plan, but it keeps to the form: valid calls of offered tools, and an answer at the end."""
    with Apis() as apis, gunicorn("app:app", env={"HEADWAY_STORE": "memory:", **apis.settings()}) as server:
        asked: Json = {
            "goal": "How much are 20 euros in Swiss francs?",
            "tools": ["exchange_rate"],
            "steps": 1,
        }
        response = httpx.post(f"{server.url}/operations/agent", json=asked, timeout=200)
        messages = parse_frames(response.content)
        assert_grammatical(messages)
        assert messages[-1].json["status"] == "succeeded", messages[-2]
        for name, value in apis.settings().items():
            monkeypatch.setenv(name, value)
        forms = {tool.name: for_model(tool.parameters, bounded=True) for tool in tools_for(Agent(**asked))}
        for plan in data(messages, "plan"):
            assert len(plan["calls"]) <= MAX_CALLS
            for call in plan["calls"]:
                Draft202012Validator(forms[call["tool"]]).validate(call["arguments"])
        assert len(data(messages, "observation")) == sum(len(plan["calls"]) for plan in data(messages, "plan"))
        [result] = data(messages, "result")
        assert result["result"]["ended"] in ("answered", "steps", "repeated")
        assert result["result"]["usage"]["completion_tokens"] > 0
        assert data(messages, "final_answer")[0]["text"] == result["result"]["answer"]
        assert "".join(piece["text"] for piece in data(messages, "delta"))
