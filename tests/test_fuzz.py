"""Inputs that nobody would write: mutated streams and documents, and requests made of the OpenAPI document.

The short form tries the same hundreds of them each time; the long form 200,000 new ones, and its figures have the seed.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pydantic import BaseModel, Field
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from operations.extract import Extract, extract
from streaming import Event, Parser, Upload, ask, delta, gateway, operation, partial
from streaming.errors import EventTooLarge
from streaming.gateways.gateway import Anything
from tests import pdfs
from tests.apps.gateway_upstream import Call, Upstream, frame, stamped
from tests.apps.serving import create_app
from tests.clients import Message
from tests.figures import Figures
from tests.worlds import Stage, ending, entered

STREAMS: Final = [path.read_bytes() for path in sorted(Path("tests/recorded").glob("*.sse"))]
RUN: Final = (
    b"retry: 2000\n\n"
    + frame("start", stamped(run="upstream-run", operation="work"), 1)
    + frame("progress", stamped(done=1, total=2, step="a"), 2)
    + frame("question", stamped(question="q3", prompt="Go on?", schema={"type": "boolean"}, expires=None), 3)
    + frame("partial", stamped(key="a", value=[1, "\u2028", None]), 4)
    + frame("attempt", stamped(attempt=2, reason="producer_lost", after=0), 5)
    + frame("result", stamped(result={"a": 1}), 6)
    + frame("done", stamped(status="succeeded", elapsed=1.0), 7)
)
TOKENS: Final = (
    *(
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"data:",
        b"id: 9999999999999999999\n",
        b"event: done\n",
    ),
    *(
        b"event: reset\n",
        b"{",
        b"}",
        b"[",
        b'"',
        b"null",
        b"NaN",
        b"1e999",
        b"\\ud800",
        b"-1",
        b"true",
        b"\xe2\x80\xa8",
    ),
)


@pytest.fixture
def rng(long: bool, figures: Figures) -> random.Random:
    """Chance: the same in each short form, new in each long one."""
    seed = int.from_bytes(os.urandom(4)) if long else 1
    figures.add("seed", str(seed))
    return random.Random(seed)


def mutated(rng: random.Random, whole: bytes, tokens: tuple[bytes, ...] = TOKENS) -> bytes:
    """`whole` with some bytes changed, moved, repeated or gone."""
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        start = rng.randrange(len(data) + 1)
        end = min(start + rng.choice((0, 1, 1, 8, 200)), len(data))
        other = rng.randrange(len(data) + 1)
        data[start:end] = rng.choice(
            (b"", rng.randbytes(end - start), rng.choice(tokens), bytes(data[other : other + 100]))
        )
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.1 else data)


def in_pieces(rng: random.Random, data: bytes) -> Iterator[bytes]:
    """The bytes in pieces of chance."""
    while data:
        size = rng.choice((1, 3, 50, 1000, len(data)))
        yield data[:size]
        data = data[size:]


def read(pieces: Iterator[bytes]) -> tuple[list[Any], bool]:
    """The messages of a stream, and whether one was too large."""
    parser = Parser(max_bytes=2000)
    messages: list[Any] = []
    try:
        for piece in pieces:
            messages += parser.feed(piece)
    except EventTooLarge:
        return messages + parser.completed, True
    return messages, False


def test_the_parser(rng: random.Random, long: bool) -> None:
    """It reads any bytes, and in any pieces alike."""
    for _ in range(150_000 if long else 500):
        data = mutated(rng, rng.choice((*STREAMS, RUN))[: rng.choice((100, 4000))])
        assert read(in_pieces(rng, data)) == read(iter([data]))


def test_a_gateway(rng: random.Random, long: bool) -> None:
    """Whatever an upstream sends, a run ends in the grammar, and nothing of it is a fault of ours."""
    data = b""

    def send(call: Call) -> None:
        if call.method != "POST" or "/runs/" in call.path:
            call.answer(404, b"{}", "application/problem+json")
        else:
            call.head(run_id=rng.choice(("upstream-run", *("",) * 9)))
            for piece in in_pieces(rng, data):
                call.chunk(piece)
            call.finish()

    with entered("own hub") as world, Upstream() as upstream:
        upstream.will(send)
        relayed = gateway(upstream.url, max_event=20_000)
        stage = Stage(world, relayed, max_runs_per_client=10**6, retention=0.0)
        for _ in range(36_000 if long else 80):
            data = mutated(rng, rng.choice((*STREAMS, RUN, RUN, RUN)))
            run = stage.start(relayed, Anything())
            messages = answered(stage, run)
            assert [message.event for message in messages].count("done") == 1, data
            assert ending(messages)[1] != "operation_failed", data
        stage.close()


def answered(stage: Stage, run: str) -> list[Message]:
    """All events of a run, which is cancelled if it asks."""
    stage.world.until(lambda: over_or_asks(stage, run), "a question, or the end")
    if not stage.record(run).fold.over:
        stage.cancel(run)
    return stage.until(run, "done")


def over_or_asks(stage: Stage, run: str) -> bool:
    """Whether a run waits for an answer, or is over."""
    record = stage.store.find(run)
    return record is not None and (record.fold.over or record.fold.question is not None)


DOCUMENTS: Final = (pdfs.invoice, pdfs.report, pdfs.form, pdfs.scan, pdfs.unicode_holes, pdfs.damaged_page)
PDF_TOKENS: Final = (
    b"99999999",
    b"-1",
    b"<<",
    b">>",
    b"obj",
    b"endstream",
    b"/Kids",
    b"0 R",
    b"[",
    b"(",
    b"1e99",
    b"\0",
)


def test_the_child_that_reads_documents(rng: random.Random, long: bool, tmp_path: Path) -> None:
    """It gives a result or says what is wrong with the file, and is gone afterwards."""
    documents = [document() for document in DOCUMENTS]
    file = tmp_path / "document.pdf"
    with entered("own hub") as world:
        stage = Stage(world, extract, max_runs_per_client=10**6)
        for _ in range(6_000 if long else 15):
            file.write_bytes(mutated(rng, rng.choice(documents), PDF_TOKENS))
            upload = Upload(file, "document.pdf", "application/pdf", file.stat().st_size)
            run = stage.start(extract, Extract(file=upload, render=rng.random() < 0.3))
            status, code = ending(stage.events(run))
            assert status == "succeeded" or code in UNREADABLE, (code, file.read_bytes())
        stage.close()


UNREADABLE: Final = (
    "empty_file",
    "not_a_pdf",
    "truncated_pdf",
    "damaged_pdf",
    "password_required",
    "too_large",
    "timeout",
)


class Leaf(BaseModel):
    """A part of an input."""

    names: list[str] = Field(default=[], max_length=3)
    kind: Literal["a", "b"] | None = None


class Anyhow(BaseModel):
    """An input with fields of many types."""

    text: str = Field(default="", max_length=50, pattern="^[a-z]*$")
    number: float = Field(default=0, ge=0, le=10)
    whole: int | None = None
    flag: bool = False
    leaves: dict[str, Leaf] = {}


class Form(BaseModel):
    """An input with a file."""

    file: Upload
    count: int = 1


@operation
def anyhow(input: Anyhow) -> Iterator[Event]:
    """Says what it has got."""
    yield delta(input.text)
    yield partial("number", input.number)


@operation(linger=None)
def asks(input: Leaf) -> Iterator[Any]:
    """Asks, and waits."""
    yield ask("Which?", schema={"type": "string", "maxLength": 3}, within=0.05)


@operation
def form(input: Form) -> int:
    """Reads a file."""
    return input.file.size


FIT: Final = [positive_data_acceptance, negative_data_rejection]
"""Not asked of forms: a list without entries is no field there, and the tool makes parts without a name."""


def routes() -> Any:
    """The routes of an application, as its document describes them."""
    app = create_app(operations=[anyhow, asks, form])
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    document["openapi"] = "3.1.0"  # 3.2 is the same, but for the description of streams
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    return schema


def test_requests_made_of_the_document(long: bool) -> None:
    """Every answer is one that the document describes, to requests that fit it and to others, and none is a 500."""
    schema = routes()
    for described in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            try_requests(schema.app, described.ok(), mode, 500 if long else 5)


def try_requests(app: Any, described: Any, mode: Any, examples: int) -> None:
    """Sends so many requests to one route."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
    @given(case=described.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.query.pop("view", None)  # its events have other data, which no description of a stream can tie to a query
        of_a_form = case.media_type == "multipart/form-data"
        case.call_and_validate(app=app, excluded_checks=FIT if of_a_form else [])

    with contextlib.suppress(Unsatisfiable):  # a route without parameters takes no request that does not fit
        send()
