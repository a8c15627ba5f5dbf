"""Odd command lines: each ends with a documented exit code, and a line of its own, never with a traceback.

The table is that of `docs/clients.md`. Most lines run in this process, against an application without a server; those
with a closed or full descriptor run as a person types them.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from flask import Flask, request
from pydantic import BaseModel, Field

from operations.simulate import simulate
from streaming import Headway, MemoryStore, Upload, operation
from streaming.client import Backoff, environment
from streaming.client.cli import config
from streaming.client.cli.commands import cli
from streaming.client.cli.flags import RESERVED
from streaming.client.cli.wsgi import WsgiTransport
from tests import command_line
from tests.client.service import STREAM, TIMESTAMP, frame
from tests.command_line import CommandLine, CompletedCommand
from tests.servers import ROOT
from tests.servers import environment as process_environment
from tests.worlds import entered

TABLE: Final = (ROOT / "docs" / "clients.md").read_text().split("| command line | exit code | what is told |")[1]
ROWS: Final = re.findall(r"^\| `(.*)` \| (\d+) \| (.*) \|$", TABLE.split("\n\n")[0], re.MULTILINE)
SNAPSHOT: Final = {"id": "r1", "operation": "x", "status": "running", "created": TIMESTAMP, "updated": TIMESTAMP}
DESCRIPTORS: Final = re.compile(r"[<>|]")


class Fields(BaseModel):
    """An input with an object and a file, and fields of the names of options."""

    fields: dict[str, Any] = {}
    text: str = ""
    linger: int = 0
    here: str = ""
    header: str = ""
    file: Upload | None = Field(None, description="A file.")


@operation
def form(input: Fields) -> dict[str, Any]:
    """Gives its input back."""
    given = input.model_dump(mode="json", exclude_unset=True)
    return given if input.file is None else {**given, "file": input.file.filename}


@pytest.fixture(scope="module")
def application() -> Iterator[Flask]:
    """A service, without a server."""
    with entered("hub beside"):
        app = Flask(__name__)
        app.config["HEADWAY_API_KEYS"] = "ann:a-key"
        Headway(app, operations=[simulate, form], log=MemoryStore())
        yield app


@pytest.fixture
def shell(application: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """A command line in a folder with some files; the service answers at its default URL."""

    def open_http(kind: type[httpx.Client], url: str, **options: Any) -> httpx.Client:
        http = environment.open_http(kind, url, **options)  # which the options and the environment may forbid
        return httpx.Client(transport=WsgiTransport(application, {})) if url == environment.URL else http

    monkeypatch.setattr(config, "open_http", open_http)
    monkeypatch.setitem(sys.modules, "socksio", None)  # what httpx needs for a SOCKS proxy
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "fields.json": b'{"a": 1}',
        "bom.json": b'\xef\xbb\xbf{"a": 1}',
        "utf16.json": '{"a": 1}'.encode("utf-16"),
        "latin.json": b'{"a": "\xe9"}',
        "report.pdf": b"%PDF-1.7",
        os.fsdecode(b"\xff.pdf"): b"%PDF-1.7",
    }.items():
        Path(name).write_bytes(content)
    return CommandLine("python -m streaming", {"HEADWAY_API_KEY": "a-key"})


def typed(shell: CommandLine, line: str) -> CompletedCommand:
    """What a line of the table does in this process."""
    line = re.sub(r"\$'(.*?)'", lambda text: text[1].encode().decode("unicode_escape").replace("\xff", "\udcff"), line)
    words = shlex.split(line)
    env = dict(word.split("=", 1) for word in words[: words.index("headway")])
    return CommandLine(shell.entry, {**shell.env, **env}).run(*words[words.index("headway") + 1 :])


def test_a_key_that_was_not_sent(shell: CommandLine) -> None:
    """The URL of a run on another service does not get the key of the environment; the refusal says what to do."""
    other = f"HEADWAY_URL=http://example.org headway show {environment.URL}/runs/r1"
    refused = typed(shell, other)
    assert refused.code == 5
    assert re.fullmatch(r"headway: 401 .*\nheadway: HEADWAY_API_KEY is for .* --key .*\n", refused.err)
    assert "404 Not found" in typed(shell, f"{other} --key a-key").err


@pytest.mark.parametrize(("line", "code", "told"), [row for row in ROWS if not DESCRIPTORS.search(row[0])])
def test_an_odd_line(shell: CommandLine, line: str, code: str, told: str) -> None:
    """The exit code and the message are those of the table."""
    ended = typed(shell, line)
    assert ended.code == int(code), ended.err
    assert told in (ended.err + ended.out.decode()).replace("`", "")
    assert "Traceback" not in ended.err
    assert "a-key" not in ended.err
    if ended.code in (5, 6):
        assert ended.err.count("\n") == 1


@pytest.mark.parametrize(("line", "code", "told"), [row for row in ROWS if DESCRIPTORS.search(row[0])])
def test_an_odd_descriptor(line: str, code: str, told: str) -> None:
    """A line as a shell runs it; the exit code is that of the command, also in a pipe."""
    headway = shlex.join([sys.executable, "-m", "streaming"])
    script = f"set -o pipefail; {line.replace('headway', headway, 1)}".replace("\\|", "|")
    env = process_environment({"PYTHONPATH": str(ROOT)})
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env)
    assert ended.returncode == int(code), ended.stderr
    assert ended.stderr.count("\n") <= 1
    assert told in ended.stderr or told.startswith("nothing")


def results(ended: CompletedCommand) -> Any:
    """The result of the run in the output."""
    assert ended.code == 0, ended.err
    return next(line["data"]["result"] for line in ended.lines if line["type"] == "result")


@pytest.mark.parametrize("name", ["fields.json", "bom.json", "utf16.json"])
@pytest.mark.parametrize("flag", ["--fields", "--json"])
def test_json_in_files(shell: CommandLine, name: str, flag: str) -> None:
    """`@FILE` and `-` are read wherever JSON is, in each encoding of JSON, with its mark (BOM) or without."""
    content = Path(name).read_bytes()
    if flag == "--json":
        text = content.decode("utf-16" if name == "utf16.json" else "utf-8-sig")
        content = f'{{"fields": {text}}}'.encode("utf-16" if name == "utf16.json" else "utf-8-sig")
        Path(name).write_bytes(content)
    for source, stdin in ((f"@{name}", b""), ("-", content)):
        assert results(shell.run("run", "form", flag, source, stdin=stdin)) == {"fields": {"a": 1}}
    assert results(shell.run("run", "form", "--fields", '\ufeff{"a": 2}')) == {"fields": {"a": 2}}


def test_a_text_is_not_a_source(shell: CommandLine) -> None:
    """A field for text takes what stands there."""
    assert results(shell.run("run", "form", "--text", "@fields.json")) == {"text": "@fields.json"}
    assert results(shell.run("run", "form", "--text", "-")) == {"text": "-"}


def test_a_file_whose_name_is_no_text(shell: CommandLine) -> None:
    """It is uploaded; the service sees a name with a question mark."""
    assert results(shell.run("run", "form", os.fsdecode(b"\xff.pdf"))) == {"file": "?.pdf"}


def test_fields_with_the_names_of_options(shell: CommandLine) -> None:
    """Each option of `run` is reserved: the field has the flag `--input-NAME`."""
    flags = ("--input-linger", "3", "--input-here", "a", "--input-header", "b", "--linger", "1")
    assert results(shell.run("run", "form", *flags)) == {"linger": 3, "here": "a", "header": "b"}
    options = {name.lstrip("-") for param in cli.commands["run"].params for name in param.opts if name.startswith("--")}
    assert options | {"help"} == RESERVED


class Full(io.RawIOBase):
    """An output that takes nothing."""

    def __init__(self, error: int) -> None:
        self._error = error

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(self._error, os.strerror(self._error))


@pytest.mark.parametrize("line", ["operations", "list", "run simulate --steps 1 --interval 0", "run --help", "doctor"])
@pytest.mark.parametrize("output", ["screen", "json"])
@pytest.mark.parametrize(("error", "told"), [(errno.EPIPE, ""), (errno.ENOSPC, "No space left on device")])
def test_an_output_that_takes_nothing(
    shell: CommandLine, line: str, output: str, error: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever writes to it, the command ends with 130: silently in a pipe, with a line where the disk is full."""
    monkeypatch.setattr(
        command_line, "TextIOWrapper", lambda _, **options: io.TextIOWrapper(io.BufferedWriter(Full(error)), **options)
    )
    ended = shell.run("--output", output, *line.split())
    assert ended.code == 130
    assert ended.err == (f"headway: the output cannot be written: {told}\n" if told else "")


def test_headers(shell: CommandLine, application: Flask) -> None:
    """`-H` is sent with each request, also of `doctor`; one of a command is added to those before it."""
    seen: list[tuple[str | None, str | None]] = []

    def look() -> None:
        seen.append((request.headers.get("X-One"), request.headers.get("X-Two")))

    application.before_request_funcs.setdefault(None, []).append(look)
    try:
        assert shell.run("-H", "X-One: 1", "list", "--header", "X-Two:  a b ").code == 0
        assert shell.run("list", "--key", "wrong", "-H", "Authorization: Bearer a-key").code == 0
        assert shell.run("doctor", "-H", "X-One: 3", "--key", "wrong").code == 1
    finally:
        application.before_request_funcs[None].remove(look)
    assert seen[0] == ("1", "a b")
    assert seen[-1] == ("3", None)


def test_the_command_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a cut it is printed, with the options that were given and without a secret.

    `result` watches without counting: when it is left, the run goes on.
    """
    counted: list[str | None] = []
    body = frame(1, "start", {"run": "r1", "operation": "x"}) + frame(2, "progress", {"done": 1})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            counted.append(request.url.params.get("watch"))
            return httpx.Response(200, headers=STREAM, content=body)
        return httpx.Response(200, json={**SNAPSHOT, "last_event_id": 2})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(config, "open_http", lambda kind, url, **_: kind(transport=transport))
    monkeypatch.setattr(Backoff, "wait", lambda *_, **__: 0.0)
    given = ("--attempts", "1", "--key", "a-key", "-H", "X: a-key")
    ended = CommandLine("python -m streaming", {}).run("watch", "http://a.test/runs/r1", *given)
    assert ended.code == 4
    assert ended.err.splitlines()[-2:] == [
        "headway: run r1 was interrupted after event 2: the stream ended without `done`",
        "headway: to go on: headway watch r1 --after 2 --attempts 1 --key ... -H 'X: ...' --url http://a.test",
    ]
    ended = CommandLine("python -m streaming", {}).run("--url", "http://b.test", "result", "r1", "--attempts", "1")
    assert (ended.code, ended.err.splitlines()[-1]) == (
        4,
        "headway: to go on: headway result r1 --url http://b.test --attempts 1",
    )
    assert (counted[0], counted[-1]) == (None, "0")


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (503, "too_many_runs", "the service is full: 503 Unavailable: no room"),
        (503, "store_full", "the service is full: 503 Unavailable: no room"),
        (503, "draining", "the service is stopping: 503 Unavailable: no room"),
        (503, "store_away", "the service cannot reach its store: 503 Unavailable: no room"),
        (502, "", "the service refuses: 502 Unavailable: no room"),
        (429, "too_many_runs", "the service refuses: 429 Unavailable: no room"),
    ],
)
def test_a_refusal_is_told_as_one(status: int, code: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not as a lost connection, while it is tried again and in the end."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"operations": [{"name": "x", "input": {}}]})
        problem = {"title": "Unavailable", "detail": "no room", "code": code}
        return httpx.Response(status, json=problem, headers={"Retry-After": "0"})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(config, "open_http", lambda kind, url, **_: kind(transport=transport))
    monkeypatch.setattr(Backoff, "wait", lambda *_, **__: 0.0)
    ended = CommandLine("python -m streaming", {}).run("run", "x", "--attempts", "2")
    assert (ended.code, ended.out) == (5, b"")
    assert ended.err.splitlines() == [f"headway: {told}; trying again in 0.0 s", f"headway: {told}"]


def test_what_a_service_says_of_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal obeys nothing of it: neither in the help of an operation, nor in an error."""
    evil = "\x1b]0;title\x07"
    fields = {"mode": {"enum": [f"a{evil}"], "description": evil}, "deep": {"type": "object", "description": evil}}
    entry = {"name": "x", "description": evil, "input": {"properties": fields}}
    catalogue = {"operations": [entry, {"name": evil, "input": 3}, {}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=catalogue))
    monkeypatch.setattr(config, "open_http", lambda kind, url, **_: kind(transport=transport))
    for line, code in (("run x --help", 0), ("run x --mode b", 2), ("run y", 2), ("--output screen operations", 0)):
        ended = CommandLine("python -m streaming", {}).run(*line.split())
        assert ended.code == code, ended.err
        assert not set(ended.err + ended.out.decode()) & set("\x1b\x07")


def test_completion(shell: CommandLine) -> None:
    """It is click's: a script for the shell, and the verbs and options that begin as a word does."""
    env = {"_HEADWAY_COMPLETE": "bash_source"}
    script = CommandLine(shell.entry, env).run()
    assert (script.code, b"_HEADWAY_COMPLETE=bash_complete" in script.out) == (0, True)
    for words, number, found in (
        ("headway re", "1", ["plain,result"]),
        ("headway list --st", "2", ["plain,--status"]),
        ("headway list --status fa", "3", ["plain,failed"]),
    ):
        env = {"_HEADWAY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": number}
        assert CommandLine(shell.entry, env).run().out.decode().splitlines() == found
