"""`extract` in the test's own process, for the tests of what it finds."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.ImageFile import ImageFile
from pydantic import TypeAdapter

from operations.extract import Extract, extract
from operations.pdf import child
from operations.pdf.content import ExtractResult, PageContent
from operations.pdf.process import PdfProcess, as_path
from streaming import Event, OperationError, Upload
from streaming.protocol.events import Checkpoint
from streaming.protocol.partials import fill
from streaming.runs.files import FileEvent


@dataclass
class Outcome:
    """The events and the result of one run; `sent` is the result with references to partials, as its event has it."""

    events: list[Event] = field(default_factory=list)
    sent: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def partials(self) -> dict[str, Any]:
        """The values of the partials by their keys."""
        data = (event.data for event in self.events if event.name == "partial")
        return {each["key"]: each["value"] for each in data}

    @property
    def files(self) -> dict[str, FileEvent]:
        """The files that were handed over."""
        return {event.filename: event for event in self.events if isinstance(event, FileEvent)}

    def picture(self, name: str) -> ImageFile:
        """A file as a picture."""
        source = self.files[name].source
        assert isinstance(source, bytes)
        return Image.open(io.BytesIO(source))

    def page(self, number: int) -> dict[str, Any]:
        """The page with this number in the result."""
        return next(page for page in self.result["pages"] if page["page"] == number)


def yield_to(events: list[Event], work: Generator[Event, None, Any]) -> Any:
    """Collects the events of a generator; returns its result."""
    while True:
        try:
            if not isinstance(item := next(work), Checkpoint):  # which no viewer gets
                events.append(item)
        except StopIteration as end:
            return end.value


class InThisProcess(PdfProcess):
    """Reads a document without a process of its own, so that tests can change the limits; all is JSON, as there."""

    def open(self, source: Path | bytes, password: str | None = None) -> int:
        path = self._stack.enter_context(as_path(source))
        self._commands: deque[dict[str, Any]] = deque()
        self._answers = child.answers(iter(self._commands.popleft, None))
        self._stack.callback(self._answers.close)
        self._send({"path": str(path), "password": password})
        return int(self._receive()["page_count"])

    def _send(self, command: dict[str, Any]) -> None:
        self._commands.append(json.loads(json.dumps(command)))

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(json.dumps(next(self._answers)))
        return message


Run = Callable[..., Outcome]


def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the operation in this process, on the bytes of a file or with options alone."""
    monkeypatch.setattr("operations.extract.PdfProcess", InThisProcess)
    monkeypatch.setattr("operations.pdf.recogniser.is_installed", lambda: False)

    def run(pdf: bytes | None = None, **options: Any) -> Outcome:
        if pdf is not None:
            path = tmp_path / "upload"
            path.write_bytes(pdf)
            options["file"] = Upload(path, options.pop("filename", "file.pdf"), "application/pdf", len(pdf))
        outcome = Outcome()
        outcome.sent = yield_to(outcome.events, extract.fn(Extract(**options)))
        outcome.result = fill(outcome.sent, outcome.partials.get)
        assert TypeAdapter(ExtractResult).validate_python(outcome.result) == outcome.result
        for value in (value for key, value in outcome.partials.items() if key.startswith("page-")):
            assert TypeAdapter(PageContent).validate_python(value) == value
        return outcome

    return run


def code_of(run: Run, *args: Any, **options: Any) -> str:
    """The code with which a run fails."""
    with pytest.raises(OperationError) as failure:
        run(*args, **options)
    return failure.value.code


def codes(outcome: Outcome) -> list[tuple[str, list[int]]]:
    """The codes of a run's warnings with their pages; each is an event too."""
    warnings = outcome.result["warnings"]
    sent = [event.data for event in outcome.events if event.name == "warning"]
    assert sent == warnings
    return [(warning["code"], warning["pages"]) for warning in warnings]
