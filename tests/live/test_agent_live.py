"""`agent` on real servers: its process, its cancel, and its questions over HTTP.

The model is scripted, except in the last test, which uses the embedded one.
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
from operations.tools.steps import HINTS
from tests.apps.agent_model import Loose, Reply, ScriptedModel, answer, calls
from tests.apps.apis import Apis, Fault
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.servers import Server, flask_run, gunicorn
from tests.worlds import assert_grammatical, is_gone

Json = dict[str, Any]
JSON = {"Content-Type": "application/json"}

CUSTOM = ["add", "publish_note", "wait", "burn", "whereabouts"]
SERVERS = {"gunicorn": gunicorn, "flask run": flask_run}
deployed = pytest.mark.parametrize("service", ["gunicorn"], indirect=True, scope="module")
"""For tests that do not depend on the server."""


@dataclass
class Service:
    """The service, the server of the public APIs, and the model."""

    server: Server
    apis: Apis
    model: ScriptedModel

    def script(self, *replies: Reply) -> None:
        """Sets the next replies of the model, and forgets all requests; the last one is also the answer to hints."""
        self.model.unsent[:] = [*replies, *replies[-1:] * HINTS]
        self.model.requests.clear()
        self.apis.seen.clear()
        self.apis.faults.clear()

    def run(self, **input: Any) -> list[Message]:
        """The whole stream of a run."""
        response = httpx.post(f"{self.server.url}/operations/agent", json={"goal": "Go.", **input}, timeout=60)
        assert response.status_code == 200, response.text
        messages = parse_frames(response.content)
        assert_grammatical(messages)
        return messages

    def watch(self, viewer: Connection, **input: Any) -> str:
        """Starts a run whose stream `viewer` reads; returns its URL."""
        head = viewer.request("POST", "/operations/agent", JSON, json.dumps({"goal": "Go.", **input}).encode())
        assert head.status == 200
        return f"{self.server.url}/runs/{head.headers['run-id']}"


@pytest.fixture(scope="module", params=SERVERS)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service on gunicorn and on `flask run`."""
    with ExitStack() as stack:
        apis, model = stack.enter_context(Apis()), stack.enter_context(ScriptedModel())
        env = {
            "HEADWAY_STORE": "memory:",
            "HEADWAY_CONCURRENCY": "agent=100",
            "HEADWAY_AGENT_TOOLS": ",".join(f"tests.apps.agent_calls:{name}" for name in CUSTOM),
            **apis.settings(),
            **model.settings(),
        }
        start: Callable[..., Any] = SERVERS[request.param]
        yield Service(stack.enter_context(start("app:app", env=env)), apis, model)


def data(messages: list[Message], event: str) -> list[Json]:
    """The data of the events with this name."""
    return [message.json for message in messages if message.event == event]


OSLO = {"latitude": 59.91, "longitude": 10.75, "days": None}


def test_a_goal_is_reached(service: Service) -> None:
    """The run has its own process, and its stream the usual grammar."""
    service.script(
        calls(("weather", OSLO), ("whereabouts", {})), calls(("encyclopedia", {"title": "Mercury"})), answer("-2.1 °C")
    )
    messages = service.run()
    names = [message.event for message in messages if message.event not in ("progress", "delta", "usage")]
    step = ["plan", "tool_call", "tool_call", "observation", "observation", "plan", "tool_call", "observation"]
    assert names == ["start", *step, "plan", "final_answer", "result", "done"]
    [result] = data(messages, "result")
    assert (result["result"]["answer"], result["result"]["ended"]) == ("-2.1 °C", "answered")
    [pid] = [each["text"] for each in data(messages, "observation") if each["tool"] == "whereabouts"]
    assert int(pid) not in (service.server.pid, *service.server.worker_pids())
    wait_until(lambda: is_gone(int(pid)), "its process has ended")


@pytest.mark.parametrize("busy", ["wait", "burn", "weather"])
def test_a_cancel_during_a_call(service: Service, busy: str) -> None:
    """The run stops at once, whether its tool sleeps, computes, or waits for a silent host."""
    service.script(calls(("whereabouts", {}), (busy, OSLO if busy == "weather" else {"seconds": 60})))
    service.apis.faults["/v1/forecast"] = [Fault(delay=60)]
    with Connection(service.server) as viewer:
        run = service.watch(viewer)
        pid = int(viewer.until("observation")[-1].json["text"])
        start_time = time.monotonic()
        assert httpx.delete(run).status_code == 202
        done = viewer.until("done")[-1].json
        assert time.monotonic() - start_time < 5
        assert (done["status"], done["reason"]) == ("cancelled", "requested")
        wait_until(lambda: is_gone(pid), "its process has ended")


@deployed
def test_a_disconnect_while_the_model_writes(service: Service) -> None:
    """The connection to the model's server closes at once."""
    service.script(Loose(calls(("wait", {"seconds": 1}), part="Well. " * 500), pause=0.1))
    service.model.cut.clear()
    with Connection(service.server) as viewer:
        service.watch(viewer)
        viewer.until("delta")
    assert service.model.cut.wait(10)


@deployed
def test_a_run_stops_when_its_viewer_leaves(service: Service) -> None:
    """Also during a call."""
    service.script(calls(("whereabouts", {}), ("wait", {"seconds": 60})))
    with Connection(service.server) as viewer:
        run = service.watch(viewer)
        pid = int(viewer.until("observation")[-1].json["text"])
    wait_until(lambda: httpx.get(run).json()["status"] == "cancelled", "the run is cancelled")
    wait_until(lambda: is_gone(pid), "its process has ended")


@pytest.mark.parametrize("yes", [True, False])
def test_a_person_approves_or_refuses(service: Service, yes: bool) -> None:
    """By an answer to the run's question, which must be a boolean; the run continues in both cases."""
    service.script(calls(("publish", {"text": "hello"})), answer("So be it."))
    with Connection(service.server, timeout=30) as viewer:
        run = service.watch(viewer)
        question = viewer.until("question")[-1].json
        assert 'call publish with {"text": "hello"}' in question["prompt"]
        assert httpx.get(run).json()["status"] == "waiting"

        def reply(value: Any) -> int:
            return httpx.post(f"{run}/answer", json={"question": question["question"], "answer": value}).status_code

        assert reply("maybe") == 422
        assert reply(yes) == 202
        messages = viewer.until("done")
    [observation] = data(messages, "observation")
    assert (observation["ok"], observation["code"]) == (yes, None if yes else "not_approved")
    assert messages[-1].json["status"] == "succeeded"


@deployed
def test_files_of_a_form(service: Service) -> None:
    """A form has several files, and lists are repeated fields."""
    service.script(
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
    assert {each["tool"]: each["ok"] for each in data(messages, "observation")} == {"query": True, "read": True}
    assert data(messages, "result")[0]["result"]["answer"] == "7"


@deployed
@pytest.mark.parametrize(
    ("input", "field"),
    [({}, "goal"), ({"goal": "x", "tools": ["teleport"]}, "tools"), ({"goal": "x", "steps": 99}, "steps")],
)
def test_invalid_input_starts_no_run(service: Service, input: Json, field: str) -> None:
    """The response is a problem that names the field."""
    response = httpx.post(f"{service.server.url}/operations/agent", json=input)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert [error["loc"] for error in response.json()["errors"]] == [[field]]


@deployed
def test_the_catalogue_lists_the_tools(service: Service) -> None:
    """The input has an enumeration of the built-in and the custom tools."""
    catalogue = httpx.get(f"{service.server.url}/operations").json()["operations"]
    [entry] = [entry for entry in catalogue if entry["name"] == "agent"]
    assert {"weather", "read", "add", "publish"} <= set(entry["input"]["properties"]["tools"]["items"]["enum"])


def test_a_setting_that_cannot_be_read_stops_the_start() -> None:
    """The log has one line about it."""
    with (
        pytest.raises(AssertionError, match=r"HEADWAY_AGENT_TOOLS is 'no\.such:tool'"),
        gunicorn("app:app", env={"HEADWAY_STORE": "memory:", "HEADWAY_AGENT_TOOLS": "no.such:tool"}),
    ):
        pass


@pytest.mark.long
def test_with_the_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is far too small to plan, but its replies have the right form: valid calls of offered tools, and an answer."""
    with Apis() as apis, gunicorn("app:app", env={"HEADWAY_STORE": "memory:", **apis.settings()}) as server:
        goal: Json = {
            "goal": "How much are 20 euros in Swiss francs?",
            "tools": ["exchange_rate"],
            "steps": 1,
        }
        response = httpx.post(f"{server.url}/operations/agent", json=goal, timeout=200)
        messages = parse_frames(response.content)
        assert_grammatical(messages)
        assert messages[-1].json["status"] == "succeeded", messages[-2]
        for name, value in apis.settings().items():
            monkeypatch.setenv(name, value)
        schemas = {tool.name: for_model(tool.parameters, bounded=True) for tool in tools_for(Agent(**goal))}
        for plan in data(messages, "plan"):
            assert len(plan["calls"]) <= MAX_CALLS
            for call in plan["calls"]:
                Draft202012Validator(schemas[call["tool"]]).validate(call["arguments"])
        assert len(data(messages, "observation")) == sum(len(plan["calls"]) for plan in data(messages, "plan"))
        [result] = data(messages, "result")
        assert result["result"]["ended"] in ("answered", "gave_up")
        assert result["result"]["usage"]["completion_tokens"] > 0
        assert data(messages, "final_answer")[0]["text"] == result["result"]["answer"]
        assert "".join(piece["text"] for piece in data(messages, "delta"))
