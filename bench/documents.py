"""Measures `extract` beside other readers of PDFs, prints the tables, and writes them into `docs/documents.md`.

`python -m bench.documents` takes about half an hour on one core. The peers are the dependency group `documents`, and
pdftotext, which is in Debian's poppler-utils; one that is not installed is left out. The first run downloads what
`bench.corpus` reads.
"""

from __future__ import annotations

import argparse
import platform
import re
import resource
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import islice, pairwise
from pathlib import Path

from bench import corpus, icdar
from bench.report import row
from operations.pdf import headings
from operations.pdf.engine import Document
from operations.pdf.reader import Reader

PAGE = Path(__file__).parents[1] / "docs" / "documents.md"
BEGIN, END = "<!-- figures -->", "<!-- end of the figures -->"
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+|\d+")

Text = Callable[[Path], Iterable[str]]
"""The text of a PDF, page by page."""
Tables = Callable[[Path], Iterable[tuple[int, icdar.Grid]]]
"""The tables of a PDF, each with its page from 1."""


# --- the readers -----------------------------------------------------------------------------------------------------


def extract_text(path: Path) -> Iterator[str]:
    """`extract`, with tables, headings and pairs, as the operation reads."""
    with Document(path) as document:
        reader = Reader(document, range(1, document.page_count + 1), with_tables=True, with_thumbnails=False)
        yield from (page["text"] for page in reader.pages())


def pypdf_text(path: Path) -> Iterator[str]:
    """The text of pypdf's default mode."""
    from pypdf import PdfReader

    yield from (page.extract_text() for page in PdfReader(path).pages)


def pdfplumber_text(path: Path) -> Iterator[str]:
    """The text of pdfplumber's defaults."""
    import pdfplumber

    with pdfplumber.open(path) as document:
        for page in document.pages:
            yield page.extract_text()
            page.close()


def pdftotext(path: Path) -> Iterator[str]:
    """The text of poppler in reading order, its default."""
    done = subprocess.run(["pdftotext", "-enc", "UTF-8", str(path), "-"], check=True, capture_output=True)
    yield from done.stdout.decode(errors="replace").removesuffix("\f").split("\f")


def extract_tables(path: Path) -> Iterator[tuple[int, icdar.Grid]]:
    """The tables of `extract`."""
    with Document(path) as document:
        reader = Reader(document, range(1, document.page_count + 1), with_tables=True, with_thumbnails=False)
        yield from ((page["page"], table["rows"]) for page in reader.pages() for table in page["tables"])


def pdfplumber_tables(path: Path) -> Iterator[tuple[int, icdar.Grid]]:
    """The tables of pdfplumber's defaults: by lines."""
    import pdfplumber

    with pdfplumber.open(path) as document:
        for number, page in enumerate(document.pages, 1):
            yield from ((number, [[cell or "" for cell in line] for line in grid]) for grid in page.extract_tables())
            page.close()


def camelot_tables(flavor: str) -> Tables:
    """The tables of one of camelot's parsers, by its defaults."""

    def read(path: Path) -> Iterator[tuple[int, icdar.Grid]]:
        import camelot

        for table in camelot.read_pdf(str(path), pages="all", flavor=flavor, suppress_stdout=True):
            yield int(table.page), table.df.to_numpy().tolist()

    return read


TEXTS: dict[str, tuple[str, Text]] = {
    "extract": ("pypdfium2", extract_text),
    "pypdf": ("pypdf", pypdf_text),
    "pdfplumber": ("pdfplumber", pdfplumber_text),
    "pdftotext": ("", pdftotext),
}
TABLES: dict[str, tuple[str, Tables]] = {
    "extract": ("pypdfium2", extract_tables),
    "pdfplumber": ("pdfplumber", pdfplumber_tables),
    "camelot stream": ("camelot-py", camelot_tables("stream")),
    "camelot network": ("camelot-py", camelot_tables("network")),
}


# --- the measures ----------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What one reader has of the truth, in how many pages and seconds of a processor."""

    right: int = 0
    found: int = 0
    true: int = 0
    ordered: int = 0
    pages: int = 0
    seconds: float = 0.0
    failed: list[str] = field(default_factory=list)


def tokens(text: str) -> list[str]:
    """Words without case, numbers, and single characters of Chinese and Japanese."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items both have, each as often as in the one that has it less often."""
    return (Counter(one) & Counter(other)).total()


def read_text(manual: corpus.Manual, read: Text, tally: Tally) -> None:
    """Adds the words of a manual to a tally, and the neighbours among them that are neighbours in the PDF's text."""
    start = seconds()
    pages = list(read(manual.path))
    tally.seconds += seconds() - start
    tally.pages += len(pages)
    found, true = tokens("\n".join(pages)), tokens(manual.text)
    tally.right += common(found, true)
    tally.ordered += common(list(pairwise(found)), list(pairwise(true)))
    tally.found += len(found)
    tally.true += len(true)


def read_headings(manual: corpus.Manual, tally: Tally, *, with_outline: bool) -> None:
    """Adds the headings of a manual, each counted once, to a tally."""
    with Document(manual.path) as document:
        samples = [document.read(number) for number in range(1, document.page_count + 1, 12)]
        outline = [(e.title, e.level, e.page) for e in document.outline()] if with_outline else []
        profile = headings.learn(samples, outline)
        pages = (document.read(number) for number in range(1, document.page_count + 1))
        found = {headings.plain(heading.text) for page in pages for heading in headings.find(page, profile)}
        tally.pages += document.page_count
    true = {headings.plain(heading) for heading in manual.headings}
    tally.right += len(found & true)
    tally.found += len(found)
    tally.true += len(true)


def read_tables(truths: Iterable[icdar.Truth], read: Tables, tally: Tally) -> icdar.Scores:
    """The scores of a reader; a document that it cannot read scores nothing."""
    scores = icdar.Scores()
    for truth in truths:
        start = seconds()
        try:
            found = list(read(truth.path))
        except Exception as error:  # noqa: BLE001 - a peer may raise anything
            found = []
            tally.failed.append(f"{truth.path.stem}: {type(error).__name__}")
        tally.seconds += seconds() - start
        scores.by_document[truth.path.stem] = icdar.score(truth, found)
    return scores


def seconds() -> float:
    """Processor time of this process and of the children that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# --- the page --------------------------------------------------------------------------------------------------------


def text_table(limit: int | None) -> Iterator[str]:
    """Recall, precision and order of the words, and the time, of each reader."""
    yield row(("reader", "word recall", "word precision", "neighbours kept", "s a page"))
    yield row(("---", "---:", "---:", "---:", "---:"))
    manuals = list(islice(corpus.manuals(), limit))
    for name, (package, read) in TEXTS.items():
        if not is_installed(name, package):
            continue
        tally = Tally()
        for manual in manuals:
            read_text(manual, read, tally)
        shares = (tally.right / tally.true, tally.right / tally.found, tally.ordered / tally.true)
        yield row((name, *(f"{share:.3f}" for share in shares), f"{tally.seconds / tally.pages:.4f}"))


def heading_table(limit: int | None) -> Iterator[str]:
    """Recall and precision of the headings; the peers find none."""
    yield row(("headings of `extract`", "recall", "precision"))
    yield row(("---", "---:", "---:"))
    manuals = list(islice(corpus.manuals(), limit))
    for name, with_outline in (("by outline and type", True), ("by type alone", False)):
        tally = Tally()
        for manual in manuals:
            read_headings(manual, tally, with_outline=with_outline)
        yield row((name, f"{tally.right / tally.true:.3f}", f"{tally.right / tally.found:.3f}"))


def tables_table(limit: int | None) -> Iterator[str]:
    """F1 of the adjacency relations, pooled and by document, and the time, of each reader."""
    yield row(("reader", "F1, pooled", "F1, by document", "s a page", "documents not read"))
    yield row(("---", "---:", "---:", "---:", "---:"))
    truths = corpus.tables()[:limit]
    pages = 0
    for truth in truths:
        with Document(truth.path) as document:
            pages += document.page_count
    for name, (package, read) in TABLES.items():
        if not is_installed(name, package):
            continue
        tally = Tally()
        scores = read_tables(truths, read, tally)
        print(f"{name}: {', '.join(tally.failed) or 'read all'}", file=sys.stderr)
        times = f"{tally.seconds / pages:.4f}"
        yield row((name, f"{scores.pooled:.3f}", f"{scores.mean:.3f}", times, str(len(tally.failed))))


def is_installed(name: str, package: str) -> bool:
    """Whether a reader can be measured; the name of a program is that of its package here."""
    return bool(versions([package])) if package else shutil.which(name) is not None


def versions(packages: Iterable[str]) -> list[str]:
    """Name and version of each package that is installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def poppler() -> list[str]:
    """The name and the version of pdftotext, if it is installed."""
    if shutil.which("pdftotext") is None:
        return []
    told = subprocess.run(["pdftotext", "-v"], capture_output=True, text=True, check=True).stderr
    return [f"pdftotext {told.split()[2]}"]


def figures(limit: int | None) -> Iterator[str]:
    """All tables, with what they were measured with."""
    used = [*versions(["pypdfium2", "pypdf", "pdfplumber", "camelot-py"]), *poppler()]
    yield f"Measured on {datetime.now(UTC):%d %B %Y} with Python {platform.python_version()}, {', '.join(used)}."
    yield ""
    for table in (text_table, heading_table, tables_table):
        for line in table(limit):
            print(line, file=sys.stderr)
            yield line
        yield ""


def main() -> None:
    """Measures, and writes the figures into the page; a run with `--limit` only prints them."""
    parser = argparse.ArgumentParser(prog="python -m bench.documents", description=__doc__)
    parser.add_argument("--limit", type=int, help="only so many documents of each kind, and write no page")
    options = parser.parse_args()
    measured = "\n".join(figures(options.limit))
    print(measured)
    if options.limit is None:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{measured}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
