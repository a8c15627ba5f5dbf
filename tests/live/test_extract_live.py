"""`extract` on a real server: files by multipart, pages as they are read, and bombs that harm only their run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import pdfs
from tests.clients import Connection, Message, parse_frames, wait_until
from tests.servers import Server, children, gunicorn

PATIENCE = 60.0
"""Seconds for a run that ends by itself."""


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """The service as it is deployed."""
    with gunicorn("app:app", env={"HEADWAY_STORE": "memory:", "HEADWAY_LLM_API_KEY": "s3cret"}) as server:
        yield server


def post(service: Server, pdf: bytes, **fields: str) -> httpx.Response:
    """The response of the service to a form with this file."""
    form = {"file": ("some file.pdf", pdf, "application/pdf")}
    return httpx.post(f"{service.url}/operations/extract", files=form, data=fields, timeout=PATIENCE)


def extracted(service: Server, pdf: bytes, **fields: str) -> list[Message]:
    """The whole stream of a run."""
    response = post(service, pdf, **fields)
    assert response.status_code == 200, response.text
    return parse_frames(response.content)


def failure(service: Server, pdf: bytes, **fields: str) -> str:
    """The code that a run fails with."""
    *_, error, done = extracted(service, pdf, **fields)
    assert (error.event, done.event, done.json["status"]) == ("error", "done", "failed")
    return str(error.json["code"])


@contextmanager
def watching(service: Server, pdf: bytes, **fields: str) -> Iterator[tuple[Connection, str]]:
    """A connection with the stream of a new run, and the URL of the run."""
    form = {"file": ("some file.pdf", pdf, "application/pdf")}
    request = httpx.Request("POST", f"{service.url}/operations/extract", files=form, data=fields)
    with Connection(service, timeout=PATIENCE) as viewer:
        kind = {"Content-Type": request.headers["content-type"]}
        head = viewer.request("POST", "/operations/extract", kind, request.read())
        yield viewer, f"{service.url}/runs/{head.headers['run-id']}"


def status(run: str) -> str:
    """The status of the run."""
    return str(httpx.get(run).json()["status"])


def test_fifty_pages_one_by_one(service: Server) -> None:
    """A real document by multipart: the stream has start, each page with its progress and an eta, result and done."""
    messages = extracted(service, pdfs.debian("fhs/fhs-3.0.pdf"))
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))
    assert [messages[0].event, messages[-2].event, messages[-1].event] == ["start", "result", "done"]
    partials = [message.json for message in messages if message.event == "partial"]
    assert [partial["key"] for partial in partials] == [f"page-{number}" for number in range(1, 51)]
    assert messages[-2].json["result"]["pages"] == [partial["value"] for partial in partials]
    counted = [message.json for message in messages if message.event == "progress" and "done" in message.json]
    assert [progress["done"] for progress in counted] == list(range(51))
    assert all("eta" in progress for progress in counted[2:-1])
    assert messages[-1].json["status"] == "succeeded"


def test_a_page_is_sent_before_the_next_ones_are_read(service: Server) -> None:
    """When a viewer has the first page, the run is still running."""
    with watching(service, pdfs.debian("policy.pdf"), render="true") as (viewer, run):
        assert viewer.until("partial")[-1].json["key"] == "page-1"
        assert status(run) == "running"
        assert viewer.until("done")[-1].json["status"] == "succeeded"


def test_what_runs_pdfium_has_no_secrets(service: Server) -> None:
    """The process that has loaded it, of all below the service, has none of its settings in its environment."""
    with watching(service, pdfs.debian("policy.pdf"), render="true") as (viewer, _):
        viewer.until("partial")
        [pid] = [pid for pid in descendants(service.pid) if "pdfium" in Path(f"/proc/{pid}/maps").read_text()]
        environment = Path(f"/proc/{pid}/environ").read_text()
        assert "s3cret" not in environment
        assert "HEADWAY_" not in environment
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 5


def descendants(pid: int) -> list[int]:
    """The processes below another."""
    inner = children(pid)
    return [*inner, *(each for child in inner for each in descendants(child))]


def test_a_run_stops_when_its_viewer_leaves(service: Server) -> None:
    """The service's linger is 0."""
    with watching(service, pdfs.debian("policy.pdf"), render="true") as (viewer, run):
        viewer.until("partial")
    wait_until(lambda: status(run) == "cancelled", "the run is cancelled")


REPORT = pdfs.report(3)
UNREADABLE: dict[str, Callable[[], bytes]] = {
    "empty_file": lambda: b"",
    "not_a_pdf": lambda: b"<!doctype html>",
    "truncated_pdf": lambda: REPORT[: len(REPORT) // 2],
    "damaged_pdf": lambda: pdfs.deep_tree(3000),
    "password_required": lambda: pdfs.encrypted(REPORT, "sesame"),
    "too_many_pages": lambda: pdfs.many_pages(5000),
    "too_large": pdfs.deflate_bomb,
}


@pytest.mark.parametrize("code", UNREADABLE)
def test_an_unreadable_file_fails_only_its_run(service: Server, code: str) -> None:
    """The run fails with its code, and the same worker reads the next file."""
    workers = service.worker_pids()
    assert failure(service, UNREADABLE[code]()) == code
    assert extracted(service, REPORT)[-1].json["status"] == "succeeded"
    assert service.worker_pids() == workers


def test_the_password_is_a_field_of_the_form(service: Server) -> None:
    """The right password opens the file, and a wrong one fails the run."""
    pdf = pdfs.encrypted(REPORT, "sesame")
    assert failure(service, pdf, password="mustard") == "wrong_password"
    assert extracted(service, pdf, password="sesame")[-1].json["status"] == "succeeded"


def test_other_fields_of_the_form(service: Server) -> None:
    """Text fields become page numbers and booleans."""
    result = extracted(service, REPORT, pages="1,3", render="on", tables="no")[-2].json["result"]
    assert [page["page"] for page in result["pages"]] == [1, 3]
    assert [page["thumbnail"] for page in result["pages"]] == ["page-1.jpg", "page-3.jpg"]


@pytest.mark.parametrize(("fields", "field"), [({"pages": "two"}, "pages"), ({"document_url": "x"}, "document_url")])
def test_invalid_fields_start_no_run(service: Server, fields: dict[str, str], field: str) -> None:
    """The response is a problem that names the field."""
    response = post(service, REPORT, **fields)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert [error["loc"] for error in response.json()["errors"]] == [[field]]


def test_no_host_is_allowed_by_default(service: Server) -> None:
    """A service without `HEADWAY_DOCUMENT_HOSTS` fetches nothing, not even from itself."""
    body = {"document_url": f"{service.url}/health/live"}
    messages = parse_frames(httpx.post(f"{service.url}/operations/extract", json=body).content)
    assert messages[-2].json["code"] == "host_not_allowed"
