"""`extract` whose worker dies: another attempt reads no page again that was kept, nor asks the model for it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

import operations.extract
from operations.extract import Extract, extract
from operations.pdf import child
from operations.pdf.engine import Document
from streaming import Event, Upload
from streaming.protocol.events import Checkpoint
from streaming.protocol.partials import fill
from tests import pdfs
from tests.apps.llm_fake import Reply, fake_model, finish, text
from tests.operations.documents import InThisProcess

FORM: Final = {"type": "object", "properties": {"number": {"type": "string"}}}


@dataclass
class Attempt:
    """What one attempt has sent and kept, and its result where it has lived."""

    events: list[Event] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)
    result: Any = None

    def sent(self, name: str) -> list[Any]:
        """The data of its events of this name."""
        return [event.data for event in self.events if event.name == name]

    @property
    def keys(self) -> list[str]:
        """The keys of its partials."""
        return [data["key"] for data in self.sent("partial")]


Try = Callable[..., Attempt]


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """One attempt at a document, `after` a checkpoint, which dies after so many checkpoints of its own."""
    monkeypatch.setattr("operations.extract.PdfProcess", InThisProcess)
    monkeypatch.setattr("operations.pdf.recogniser.is_installed", lambda: False)
    monkeypatch.setattr(child, "KEEP_AFTER", 0.0)
    monkeypatch.setattr(child, "KEEP_SHARE", 0.0)
    path = tmp_path / "upload"

    def attempt(pdf: bytes, after: Any = None, dies_after: int = 0, **options: Any) -> Attempt:
        path.write_bytes(pdf)
        monkeypatch.setattr(operations.extract, "kept", lambda: after)
        file = Upload(path, "file.pdf", "application/pdf", len(pdf))
        work, done = extract.fn(Extract(file=file, **options)), Attempt()
        try:
            while not dies_after or len(done.kept) < dies_after:
                item = next(work)
                if isinstance(item, Checkpoint):
                    done.kept.append(item.data)
                else:
                    done.events.append(item)
        except StopIteration as end:
            done.result = end.value
        work.close()
        return done

    return attempt


def whole(*attempts: Attempt) -> Any:
    """The result of the last attempt, with the partials of all."""
    sent = {data["key"]: data["value"] for each in attempts for data in each.sent("partial")}
    return fill(attempts[-1].result, lambda key, _: sent[key])


@pytest.mark.parametrize("pages", [1, 5, 12])
@pytest.mark.parametrize("name", ["report", "scan and tables"])
def test_pages_are_read_once(attempt: Try, name: str, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt goes on after the last page that was kept, and its result is that of a run without a death."""
    pdf = pdfs.report(12, outline=name == "report", title="Report")
    options = {"tables": name != "report", "render": name != "report"}
    expected = attempt(pdf, **options)
    lost = attempt(pdf, dies_after=pages, **options)
    read: list[int] = []
    read_page = Document.read

    def counted(self: Document, number: int) -> Any:
        read.append(number)
        return read_page(self, number)

    monkeypatch.setattr(Document, "read", counted)
    done = attempt(pdf, after=lost.kept[-1], **options)
    assert lost.keys == [f"page-{number}" for number in range(1, pages + 1)]
    assert done.keys == [f"page-{number}" for number in range(pages + 1, 13)]
    assert whole(lost, done) == whole(expected)
    assert [each["done"] for each in done.sent("progress") if each.get("step") == "pages"] == list(range(pages + 1, 13))
    assert done.sent("warning") == expected.sent("warning")
    if pages == 12:
        assert read == []
    else:
        assert set(range(pages + 1, 13)) <= set(read)
        assert len(set(read) - set(range(pages + 1, 13))) <= 8, "the samples of the headings"


def test_a_state_that_is_too_large_is_not_kept(attempt: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before stays, and the next attempt reads from there."""
    pdf = pdfs.report(3)
    size = len(attempt(pdf).kept[0]["state"])
    monkeypatch.setattr(child, "STATE_BYTES", size + 10)
    lost = attempt(pdf)
    assert len(lost.kept) == 1
    assert attempt(pdf, after=lost.kept[-1]).keys == ["page-2", "page-3"]


def test_the_model_is_asked_once_for_each_page(attempt: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has found on the pages before the death counts, with its usage."""
    pdf = pdfs.report(3)

    def answers(*numbers: str) -> list[Reply]:
        return [Reply(text(f'{{"number": "{number}"}}'), finish()) for number in numbers]

    def under(replies: list[Reply], **options: Any) -> tuple[Attempt, int]:
        with fake_model(*replies) as fake:
            monkeypatch.setenv("HEADWAY_LLM_BASE_URL", fake.url)
            return attempt(pdf, fields=FORM, **options), len(fake.requests)

    expected, asked = under(answers("1", "2", "3"))
    assert asked == 3
    lost, asked = under(answers("1", "2"), dies_after=5)
    assert (asked, lost.keys[-1]) == (2, "fields-2")
    done, asked = under(answers("3"), after=lost.kept[-1])
    assert (asked, done.keys) == (1, ["fields-3"])
    assert whole(lost, done) == whole(expected)
