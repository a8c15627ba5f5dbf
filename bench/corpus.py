"""The documents that `bench.documents` reads, with what is true of them, in a cache outside the repository.

Packages of Debian carry manuals as PDF, and the same text as plain text and as HTML: from the text come the words and
their order, from the HTML the headings. The table competition's files come with tabula-java.
"""

from __future__ import annotations

import gzip
import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import icdar

CACHE = Path.home() / ".cache" / "headway" / "documents"
PACKAGES = ("developers-reference", "debian-faq", "installation-guide-amd64")
"""Packages of Debian with manuals under free licences, as text, HTML and PDF."""
LANGUAGES = ("en", "de", "ja", "vi")
"""Of the installation guide."""
_HEADING = re.compile(r"<h[1-6][^>]*>(.*?)</h[1-6]>", re.DOTALL)


@dataclass(frozen=True)
class Manual:
    """A PDF, its text, and the headings of its HTML."""

    name: str
    path: Path
    text: str
    headings: frozenset[str]


def manuals(cache: Path = CACHE) -> Iterator[Manual]:
    """The manuals of the packages, which are downloaded if the cache does not have them."""
    for package in PACKAGES:
        folder = cache / package
        if not folder.exists():
            _unpack(package, folder)
    share = "usr/share"
    yield _manual(cache / PACKAGES[0] / share / "developers-reference", "developers-reference", "developers-reference")
    yield _manual(cache / PACKAGES[1] / share / "doc/debian/FAQ", "debian-faq.en", "debian-faq")
    for language in LANGUAGES:
        folder = cache / PACKAGES[2] / share / "doc/installation-guide-amd64" / language
        yield _manual(folder, f"install.{language}", f"installation-guide ({language})")


def tables(cache: Path = CACHE) -> list[icdar.Truth]:
    """The documents of the table competition."""
    folder = cache / "icdar2013"
    if not folder.exists():
        clone = cache / "tabula-java"
        options = ["--quiet", "--depth=1", "--filter=blob:none", "--sparse"]
        subprocess.run(["git", "clone", *options, icdar.SOURCE, str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "sparse-checkout", "set", icdar.FOLDER], check=True)
        shutil.move(clone / icdar.FOLDER, folder)
        shutil.rmtree(clone)
    return list(icdar.documents(folder))


def _unpack(package: str, folder: Path) -> None:
    download = folder.parent / "download"
    download.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=download, check=True)
    archive = next(download.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "--extract", str(archive), str(folder)], check=True)


def _manual(folder: Path, stem: str, name: str) -> Manual:
    path = folder / f"{stem}.pdf"
    if not path.exists():
        path.write_bytes(gzip.decompress((folder / f"{stem}.pdf.gz").read_bytes()))
    text = gzip.decompress((folder / f"{stem}.txt.gz").read_bytes()).decode()
    headings = frozenset(
        heading
        for page in folder.glob("*.html")
        for found in _HEADING.findall(page.read_text(errors="replace"))
        if (heading := " ".join(html.unescape(re.sub(r"<[^>]+>|¶", "", found)).split()))
    )
    return Manual(name, path, text, headings)
