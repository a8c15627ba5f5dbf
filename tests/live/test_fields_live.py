"""`extract` with `fields` on a real server: the child that has read the document asks the model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests import pdfs
from tests.apps.llm_fake import Reply, fake_model, finish, text
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.live.test_llm_embedded import APP, PATIENCE, Embedded, service
from tests.servers import Server, gunicorn, scratch
from tests.worlds import assert_grammatical

FIELDS = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "date": {"type": "string", "description": "Day of the invoice"},
    },
}


def form(pdf: bytes) -> httpx.Request:
    """A form with a file and the fields."""
    file = {"file": ("some file.pdf", pdf, "application/pdf")}
    return httpx.Request("POST", "http://service/", files=file, data={"fields": json.dumps(FIELDS)})


def extracted(server: Server, pdf: bytes) -> list[Message]:
    """The whole stream of a run."""
    request = form(pdf)
    kind = {"Content-Type": request.headers["content-type"]}
    response = httpx.post(f"{server.url}/operations/extract", content=request.read(), headers=kind, timeout=PATIENCE)
    assert response.status_code == 200, response.text
    return parse_frames(response.content)


@pytest.fixture(scope="module")
def embedded() -> Iterator[tuple[Server, Embedded]]:
    """A service with the embedded model."""
    with service() as server_and_model:
        yield server_and_model


def test_the_embedded_model_fills_in_a_form(embedded: tuple[Server, Embedded]) -> None:
    """The run yields pages, then fields with evidence. The child starts the model's server, which outlives it."""
    server, model = embedded
    messages = extracted(server, pdfs.invoice())
    assert_grammatical(messages)
    assert messages[-1].json["status"] == "succeeded", messages[-2].data
    keys = [message.json["key"] for message in messages if message.event == "partial"]
    assert keys == ["page-1", "fields-1"]
    result = messages[-2].json["result"]
    assert set(result["fields"]) == set(FIELDS["properties"])
    assert result["model"] == {"name": "SmolLM2-135M-Instruct", "demonstration": True}
    text = result["pages"][0]["text"]
    for pointer, evidence in result["evidence"].items():
        value = result["fields"][pointer[1:]]
        assert evidence["pages"] == [1]
        assert evidence["verified"] == (value in text) == (pointer not in result["unverified"])
    assert result["fields"]["invoice_number"] == "2026-0042"
    steps = [
        message.json for message in messages if message.event == "progress" and message.json.get("step") == "fields"
    ]
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
    assert steps[-1]["done"] == steps[-1]["total"] == 1
    pid = model.pid()
    assert extracted(server, pdfs.invoice())[-1].json["status"] == "succeeded"
    assert model.pid() == pid != 0


def test_the_model_stops_with_the_last_viewer(embedded: tuple[Server, Embedded]) -> None:
    """The run's child ends, and the model stops generating."""
    server, model = embedded
    extracted(server, pdfs.invoice())
    request = form(pdfs.report(6))
    with Connection(server, PATIENCE) as viewer:
        kind = {"Content-Type": request.headers["content-type"]}
        viewer.request("POST", "/operations/extract", kind, request.read())
        while viewer.until("progress")[-1].json.get("step") != "fields":
            pass
        wait_until(model.working, "the model is busy", PATIENCE)
    wait_until(lambda: not model.working(), "the model is idle", PATIENCE)


def test_the_model_of_the_settings_fills_in_the_fields() -> None:
    """Its server gets the text of the pages, without llama.cpp's options, and the embedded server does not start."""
    answer = Reply(text('{"invoice_number": "2026-0042", "date": "yesterday"}'), finish())
    with scratch() as temporary, fake_model(answer) as fake:
        env = {"TMPDIR": str(temporary), "HEADWAY_LLM_BASE_URL": fake.url, "HEADWAY_LLM_MODEL": "theirs"}
        with gunicorn(APP, env=env) as server:
            result = extracted(server, pdfs.invoice())[-2].json["result"]
        assert not Embedded(temporary).address()
    assert (result["unverified"], result["model"]) == (["/date"], {"name": "theirs", "demonstration": False})
    assert "Crate of green widgets" in fake.requests[0]["messages"][-1]["content"]
    assert "return_progress" not in fake.requests[0]


def test_fields_that_are_no_schema_start_no_run(embedded: tuple[Server, Embedded]) -> None:
    """The response is a problem that names the field."""
    server, _ = embedded
    file = {"file": ("some file.pdf", pdfs.invoice(), "application/pdf")}
    for fields in ("{", '{"type": "object"}', "[]"):
        response = httpx.post(f"{server.url}/operations/extract", files=file, data={"fields": fields})
        assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
        assert [error["loc"] for error in response.json()["errors"]] == [["fields"]]
