"""The input of a run as a form: its fields, its files, and how long the files are kept."""

from __future__ import annotations

import io
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from streaming import Headway, Upload, operation
from tests import sample_operations as sample
from tests.clients import Message, parse_frames
from tests.worlds import Place, World, WorldName, ending, entered

MAX_JSON = 950_000


class Order(BaseModel):
    """Fields of every kind that a form can carry."""

    model_config = ConfigDict(extra="forbid")

    pages: int = 1
    ratio: float = 0.5
    render: bool = False
    title: str = ""
    words: list[str] = Field(default_factory=list)
    numbers: list[int] | None = None
    kind: str = Field("", alias="type")


@operation
def ordered(input: Order) -> dict[str, Any]:
    """Returns its input."""
    return input.model_dump()


class Tree(BaseModel):
    """A model that refers to itself."""

    name: str = ""
    branches: list[Tree] = Field(default_factory=list)


@operation
def grown(input: Tree) -> str:
    """Takes a model that refers to itself."""
    return input.name


class Numbers(RootModel[list[int]]):
    """A model without fields."""


@operation
def summed(input: Numbers) -> int:
    """Takes a list."""
    return sum(input.root)


@operation
def nothing() -> str:
    """Takes nothing."""
    return "done"


class Named(BaseModel):
    """Files, one of them with an alias."""

    document: Upload = Field(alias="file")
    more: tuple[Upload, ...] = ()


@operation
def named(input: Named) -> list[str]:
    """Returns the names of its files."""
    return [upload.filename for upload in (input.document, *input.more)]


class Loose(BaseModel):
    """A model whose check raises what pydantic does not catch, and one that takes JSON."""

    raises: str = ""
    tree: dict[str, Any] = Field(default_factory=dict)
    numbers: dict[str, list[int]] = Field(default_factory=dict)

    @field_validator("raises")
    @classmethod
    def _raise(cls, name: str) -> str:
        if name:
            raise {"recursion": RecursionError, "overflow": OverflowError, "memory": MemoryError}[name]
        return name

    @field_validator("tree", mode="before")
    @classmethod
    def _from_text(cls, tree: Any) -> Any:
        return json.loads(tree) if isinstance(tree, str) else tree


@operation
def loose(input: Loose) -> int:
    """Takes nearly anything."""
    return len(input.tree)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The world of the place, or that of a server without a hub."""
    name: WorldName = request.getfixturevalue("place").world if "place" in request.fixturenames else "hub beside"
    with entered(name) as world:
        yield world


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to which files are spooled."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def app(world: World, spool: Path) -> Iterator[Flask]:
    """An application with the operations of this module."""
    app = Flask(__name__)
    operations = [ordered, grown, summed, nothing, named, loose, sample.filed]
    headway = Headway(app, operations=operations, max_body=1_000_000, max_json=MAX_JSON, max_runs=3)
    yield app
    headway.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of this application."""
    return app.test_client()


def file(content: str = "content", name: str = "a.txt") -> tuple[io.BytesIO, str]:
    """A file for a form."""
    return io.BytesIO(content.encode()), name


def large(fields: dict[str, Any]) -> dict[str, Any]:
    """A form that is encoded in memory; the test client would leave a temporary file behind."""
    boundary, body = encode_multipart(fields)
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def events(response: TestResponse) -> list[Message]:
    """The events of a whole stream."""
    assert response.status_code == 200, response.text
    return parse_frames(response.data.removeprefix(b"retry: 2000\n\n"))


def result(response: TestResponse) -> Any:
    """The result of the run."""
    messages = events(response)
    assert ending(messages) == ("succeeded", None), messages
    return messages[-2].json["result"]


def wrong_fields(response: TestResponse) -> list[list[str | int]]:
    """The fields that do not fit."""
    assert response.status_code == 422, response.text
    return [error["loc"] for error in response.get_json()["errors"]]


# Fields


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_fields_of_a_form(client: FlaskClient, kind: str) -> None:
    """They are converted from text to the types of the model; repeated fields become lists."""
    data = {
        "pages": "3",
        "ratio": "0.25",
        "render": "true",
        "title": "naïve",
        "words": ["a", "b"],
        "numbers": ["1"],
        "type": "x",
    }
    assert result(client.post("/operations/ordered", data=data, content_type=kind)) == {
        "pages": 3,
        "ratio": 0.25,
        "render": True,
        "title": "naïve",
        "words": ["a", "b"],
        "numbers": [1],
        "kind": "x",
    }


def test_a_repeated_field(client: FlaskClient) -> None:
    """If the field takes one value, the first counts."""
    assert result(client.post("/operations/ordered", data={"title": ["first", "second"]}))["title"] == "first"


def test_an_empty_form(client: FlaskClient) -> None:
    """It is an input without any field."""
    response = client.post("/operations/ordered", data={}, content_type="multipart/form-data; boundary=x")
    assert result(response)["pages"] == 1


def test_fields_that_do_not_fit(client: FlaskClient) -> None:
    """They are reported by their names in the form, unknown ones too."""
    response = client.post(
        "/operations/ordered", data={"pages": "many", "words": "a", "numbers": ["1", "x"], "other": 1}
    )
    assert wrong_fields(response) == [["pages"], ["numbers", 1], ["other"]]


def test_a_long_text(client: FlaskClient) -> None:
    """A field may be as long as a body."""
    title = "x" * 900_000
    response = client.post("/operations/ordered", **large({"title": title}))
    assert result(response)["title"] == title


@pytest.mark.parametrize(
    ("path", "data"), [("grown", {"name": "oak"}), ("nothing", {"any": "thing"}), ("grown", {}), ("nothing", {})]
)
def test_models_of_other_kinds(client: FlaskClient, path: str, data: dict[str, str]) -> None:
    """An operation with a recursive model takes a form, and one without an input, too."""
    response = client.post(f"/operations/{path}", data=data, content_type="multipart/form-data")
    assert result(response) == data.get("name", "" if path == "grown" else "done")


def test_a_model_without_fields(client: FlaskClient) -> None:
    """An input that is a list cannot be a form, but JSON."""
    assert wrong_fields(client.post("/operations/summed", data={"root": "1"})) == [[]]
    assert result(client.post("/operations/summed", json=[1, 2, 3])) == 6


# Files


def test_a_file(client: FlaskClient, place: Place, spool: Path) -> None:
    """An operation in any executor gets its files, with the names and types that the client sent."""
    data = {"file": (*file("naïve", "a b.txt"), "text/markdown"), "runs_in": place.runs_in}
    messages = events(client.post("/operations/filed", data=data))
    partial = messages[1].json
    assert partial["key"] == "a b.txt"
    expected = {"filename": "a b.txt", "content_type": "text/markdown", "size": 6, "text": "naïve"}
    assert partial["value"].items() >= expected.items()
    assert Path(partial["value"]["path"]).is_relative_to(spool)
    assert ending(messages) == ("succeeded", None)


def test_several_files(client: FlaskClient) -> None:
    """A field for several files gets them in their order, beside a field for one."""
    data = {"file": file("0", "z.txt"), "more": [file(str(number), f"{number}.txt") for number in range(12)]}
    messages = events(client.post("/operations/filed", data=data))
    files = [message.json["value"] for message in messages if message.event == "partial"]
    assert [file["filename"] for file in files] == ["z.txt", *(f"{number}.txt" for number in range(12))]
    assert len({file["path"] for file in files}) == 13


def test_files_under_other_names(client: FlaskClient) -> None:
    """The alias of a field is its name in the form; a tuple takes several files, too."""
    data = {"file": file(name="a"), "more": [file(name="b"), file(name="c")]}
    assert result(client.post("/operations/named", data=data)) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..", "a/b", "a\\b", "\u2028", "x" * 3000])
def test_a_file_with_a_malicious_name(client: FlaskClient, spool: Path, name: str) -> None:
    """The name is passed on as text, and is part of no path."""
    (partial,) = (
        message.json
        for message in events(client.post("/operations/filed", data={"file": file(name=name)}))
        if message.event == "partial"
    )
    path = Path(partial["value"]["path"])
    assert path.parent.parent == spool
    assert path.name == "0"


def test_an_empty_file(client: FlaskClient) -> None:
    """It is a file of no bytes."""
    messages = events(client.post("/operations/filed", data={"file": file("")}))
    assert (messages[1].json["value"]["size"], messages[1].json["value"]["text"]) == (0, "")


@pytest.mark.parametrize(
    ("data", "loc"),
    [
        ({}, [["file"]]),
        ({"file": "text"}, [["file"]]),
        ({"other": file(), "file": file()}, [["other"]]),
        ({"file": [file(), file()]}, [["file"]]),
        ({"file": file(), "runs_in": "cloud"}, [["runs_in"]]),
    ],
    ids=["none", "no file", "unknown", "two", "field"],
)
def test_files_that_do_not_fit(client: FlaskClient, spool: Path, data: dict[str, Any], loc: list[list[str]]) -> None:
    """They are refused by name, and none is kept."""
    response = client.post("/operations/filed", data=data, content_type="multipart/form-data")
    assert wrong_fields(response) == loc
    assert list(spool.iterdir()) == []


def test_a_file_cannot_be_sent_as_json(client: FlaskClient) -> None:
    """The answer says how it can be sent."""
    response = client.post("/operations/filed", json={"file": "/etc/passwd"})
    assert wrong_fields(response) == [["file"]]
    assert "multipart/form-data" in response.get_json()["errors"][0]["msg"]


def test_a_file_that_is_too_large(client: FlaskClient, spool: Path) -> None:
    """The limit is that of the whole request."""
    response = client.post("/operations/filed", **large({"file": FileStorage(*file("x" * 1_000_000))}))
    assert (response.status_code, response.get_json()["code"]) == (413, "too_large")
    assert list(spool.iterdir()) == []


# Too much


def refused(response: TestResponse, status: int = 422, code: str = "invalid_input") -> str:
    """What the problem says of the input."""
    problem = response.get_json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert len(response.data) < 50_000
    return " ".join([problem["detail"], *(error["msg"] for error in problem.get("errors", ()))])


JSON = {"content_type": "application/json"}


def deep(levels: int) -> bytes:
    """An input with a tree of so many levels, its own object counted."""
    return b'{"tree":' + b'{"a":' * (levels - 1) + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (deep(65), "64 levels"),
        (b'{"tree":' + b"[" * 100_000, "64 levels|values"),
        (b"[" * 100_000, "64 levels"),
        (b"{" + b",".join(b'"n%d":1' % number for number in range(10_001)) + b"}", "10,000 names"),
        (b'{"numbers":[' + b"1," * 150_000 + b"1]}", "100,000 values"),
        (b'{"tree":{"a":[' + b"{}," * 100_000 + b"{}]}}", "100,000 values"),
    ],
    ids=["levels", "open", "only open", "names", "numbers", "objects"],
)
def test_json_with_too_much(client: FlaskClient, body: bytes, what: str) -> None:
    """It is counted before anything decodes it, and the problem says what is too much."""
    for path in ("loose", "ordered", "nothing"):
        assert re.search(what, refused(client.post(f"/operations/{path}", data=body, **JSON)))


def test_json_within_the_limits(client: FlaskClient) -> None:
    """64 levels and 10,000 names are allowed."""
    assert result(client.post("/operations/loose", data=deep(64), **JSON)) == 1
    tree = {f"name {number}": "[{:,\\" for number in range(9_999)}
    assert result(client.post("/operations/loose", json={"tree": tree})) == 9_999


def test_json_that_is_too_long(client: FlaskClient) -> None:
    """The limit of JSON is below that of a request, and that of text in a form is the same."""
    text = "x" * MAX_JSON
    for path in ("ordered", "nothing"):
        refused(client.post(f"/operations/{path}", json={"title": text}), 413, "too_large")
    refused(client.post("/operations/ordered", data={"title": text}), 413, "too_large")
    refused(client.post("/operations/ordered", **large({"title": text})), 413, "too_large")
    halves = {"title": text[: MAX_JSON // 2], "words": text[: MAX_JSON // 2]}
    assert "950000 bytes" in refused(client.post("/operations/ordered", **large(halves)), 413, "too_large")
    assert events(client.post("/operations/filed", **large({"file": FileStorage(*file("x" * (MAX_JSON + 1)))})))


def test_a_form_with_too_many_names(client: FlaskClient) -> None:
    """They are counted before they are parsed; what it has of each field is known once."""
    body = "&".join(f"name{number}=1" for number in range(20_000))
    kind = {"content_type": "application/x-www-form-urlencoded"}
    assert "10,000 names" in refused(client.post("/operations/ordered", data=body, **kind))
    refused(client.post("/operations/ordered", data="&" * 900_000, **kind))
    assert "150,000 escaped bytes" in refused(
        client.post("/operations/ordered", data="title=" + "%41" * 150_001, **kind)
    )
    start = time.process_time()
    problem = client.post("/operations/ordered", data=body[:100_000], **kind).get_json()
    assert time.process_time() - start < 2
    assert len(problem["errors"]) == 20
    parts = {f"name{number}": "1" for number in range(1_001)}
    refused(client.post("/operations/ordered", **large(parts)), 413, "too_large")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 65 + "1" + "}" * 65, "{" + '"a":1,' * 10_000 + '"a":1}'])
def test_a_field_that_is_json(client: FlaskClient, text: str) -> None:
    """A form has JSON as text, which is counted as well; other text may look like JSON."""
    assert wrong_fields(client.post("/operations/loose", data={"tree": text})) == [["tree"]]
    assert result(client.post("/operations/ordered", data={"title": text}))["title"] == text


@pytest.mark.parametrize("error", ["recursion", "overflow", "memory"])
def test_a_check_that_raises(client: FlaskClient, error: str) -> None:
    """Too many levels and too large numbers are the caller's fault, whoever notices them."""
    assert "too many levels" in refused(client.post("/operations/loose", json={"raises": error}))
    assert "too many levels" in refused(client.post("/operations/loose", data={"raises": error}))


def test_errors_are_listed_up_to_a_number(client: FlaskClient) -> None:
    """Twenty, with names and messages that are cut: an answer is never as large as the request."""
    problem = client.post("/operations/ordered", json={f"name{number}": 1 for number in range(5_000)}).get_json()
    assert len(problem["errors"]) == 20
    long = {"numbers": {"n" * 100_000: ["x"] * 100}}
    assert "invalid_input" in client.post("/operations/loose", json=long).text
    refused(client.post("/operations/loose", json=long))
    assert "30,000 errors" in refused(client.post("/operations/summed", json=["x"] * 30_000))


# How long files are kept


@pytest.mark.parametrize("act", ["progress", "fail", "refuse", "return_nan", "yield_none", "fail_in_finally"])
def test_files_go_with_their_run(client: FlaskClient, world: World, place: Place, spool: Path, act: str) -> None:
    """However a run ends, its files are deleted."""
    data = {"file": file(), "more": [file()], "acts": [act], "runs_in": place.runs_in}
    messages = events(client.post("/operations/filed", data=data))
    assert messages[-1].event == "done"
    world.until(lambda: not list(spool.iterdir()), "the files are deleted")


def test_files_stay_for_their_run(client: FlaskClient, app: Flask, world: World, place: Place, spool: Path) -> None:
    """They are kept as long as the operation is at work, and deleted when it is cancelled."""
    data = {"file": file(), "acts": ["wait"], "runs_in": place.runs_in}
    run = client.post("/operations/filed", data=data, headers={"Prefer": "respond-async"}).headers["Run-Id"]
    runner = app.extensions["headway"].runner
    world.until(lambda: runner.store.find(run).fold.progress, "it is at work")
    (folder,) = spool.iterdir()
    assert [path.read_text() for path in folder.iterdir()] == ["content"]
    client.delete(f"/runs/{run}")
    world.until(lambda: not runner.live, "it ends")
    assert list(spool.iterdir()) == []


def test_files_of_a_refused_run(client: FlaskClient, app: Flask, spool: Path) -> None:
    """A start that is refused leaves none."""
    app.extensions["headway"].runner.draining = True
    response = client.post("/operations/filed", data={"file": file()})
    assert response.status_code == 503
    assert list(spool.iterdir()) == []


def test_files_with_a_key(client: FlaskClient, spool: Path) -> None:
    """The same form joins the run that it started, in any encoding; the second copy of its files is not kept."""
    headers = {"Idempotency-Key": "k", "Prefer": "respond-async"}

    def send(content: str, name: str = "a.txt", **more: Any) -> TestResponse:
        return client.post(
            "/operations/filed", data={"file": file(content, name), "acts": ["wait"], **more}, headers=headers
        )

    run = send("one").headers["Run-Id"]
    assert send("one").headers["Run-Id"] == run
    assert len(list(spool.iterdir())) == 1
    assert send("two").status_code == 409
    assert send("one", runs_in="thread").status_code == 409
    assert len(list(spool.iterdir())) == 1
    client.delete(f"/runs/{run}")


def test_a_run_that_fails_to_start_leaves_no_file(
    client: FlaskClient, app: Flask, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails between the upload and the run."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a secret of the server's")

    monkeypatch.setattr(app.extensions["headway"].runner.store, "create", fail)
    assert client.post("/operations/filed", data={"file": file()}).status_code == 500
    assert list(spool.iterdir()) == []
