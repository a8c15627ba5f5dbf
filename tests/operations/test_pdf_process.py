"""The process that reads a PDF: what it has, how many there are at once, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.extract import extract
from operations.pdf.errors import Unreadable
from operations.pdf.process import PdfProcess
from operations.processes import ENVIRONMENT, NICE, processors
from tests import pdfs


@pytest.fixture
def pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A document of three pages, in a service with secrets."""
    monkeypatch.setenv("HEADWAY_API_KEYS", "ann:s3cret")
    path = tmp_path / "0"
    path.write_bytes(pdfs.report(3))
    return path


@pytest.fixture
def opened(pdf: Path) -> Iterator[PdfProcess]:
    """The process that has it open."""
    with PdfProcess() as document:
        assert document.open(pdf) == 3
        yield document


def test_it_has_no_secrets_and_little_priority(opened: PdfProcess) -> None:
    """Its environment holds the names of a list, which no setting bears; it goes behind those that serve."""
    entries = Path(f"/proc/{opened.pid}/environ").read_text().split("\0")
    assert {entry.partition("=")[0] for entry in entries if entry} <= set(ENVIRONMENT)
    assert not any("s3cret" in entry for entry in entries)
    assert os.getpriority(os.PRIO_PROCESS, opened.pid) >= NICE
    descriptors = [str(entry.readlink()) for entry in Path(f"/proc/{opened.pid}/fd").iterdir()]
    assert len(descriptors) <= 5, descriptors  # the standard ones, the document, and PDFium's own of it


def test_no_more_at_once_than_processors() -> None:
    """What is over waits in the queue of the store (`tests/runs/test_concurrency.py`)."""
    assert extract.limits.concurrency == processors()


def test_how_many_processors_there_are() -> None:
    """Those that this process may use."""
    assert 1 <= processors() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGABRT, MemoryError), (signal.SIGKILL, MemoryError), (signal.SIGSEGV, RuntimeError)]
)
def test_a_process_that_ends_by_itself(opened: PdfProcess, number: int, error: type[Exception]) -> None:
    """Where memory is short, PDFium aborts, or the kernel kills it; a crash is another error."""
    os.kill(opened.pid, number)
    with pytest.raises(error):
        opened.texts(3, 1000)


def test_a_process_that_takes_too_long(opened: PdfProcess) -> None:
    """It is killed."""
    os.kill(opened.pid, signal.SIGSTOP)
    opened.end_after(0.05)
    with pytest.raises(TimeoutError):
        opened.texts(3, 1000)


def leave(source: Path | bytes, error: BaseException | None = None) -> PdfProcess:
    """Opens a document and leaves its block, by an error if there is one."""
    with contextlib.suppress(Unreadable, KeyboardInterrupt), PdfProcess() as document:
        document.open(source)
        if error is not None:
            raise error
    return document


def test_it_ends_with_its_block(pdf: Path) -> None:
    """However the block is left."""
    for left in (leave(pdf), leave(b"hello"), leave(pdf, KeyboardInterrupt())):
        assert not Path(f"/proc/{left.pid}").exists()


def test_a_document_in_memory(pdf: Path) -> None:
    """One that was fetched is no file yet."""
    with PdfProcess() as document:
        assert document.open(pdf.read_bytes()) == 3
