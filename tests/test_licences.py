"""The page of licences lists every package that Headway stands on, and none whose licence asks for its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.write_licences import PAGE, npm_licences, python_licences

LICENCES = {**python_licences(), **npm_licences()}

COPYLEFT = re.compile(r"(?<!L)\bA?GPL", re.IGNORECASE)


def test_the_page_lists_every_package() -> None:
    """`make requirements` writes it."""
    rows = set(PAGE.read_text().splitlines())
    assert [name for name, licence in LICENCES.items() if f"| {name} | {licence} |" not in rows] == []


@pytest.mark.parametrize("name", ["requirements", "requirements-service", "requirements-dev", "requirements-long"])
def test_every_requirement_has_hashes(name: str) -> None:
    """`pip` then refuses a file that is not the one that was pinned, and any requirement that is not listed."""
    text = Path(f"{name}.txt").read_text().replace("\\\n", "")
    pins = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert pins
    assert [line for line in pins if "--hash=sha256:" not in line] == []


def test_what_is_pinned_twice_is_the_same() -> None:
    """Production has what was tested, and the embedded model's server too."""

    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)==([^ \n]+)", Path(f"{name}.txt").read_text(), re.MULTILINE))

    tested = pins("requirements")
    for name in ("requirements-service", "requirements-dev", "requirements-long", "requirements-model"):
        assert pins(name)
        assert {package: pin for package, pin in pins(name).items() if tested.get(package, pin) != pin} == {}
    assert set(pins("requirements-service")) < set(tested)


@pytest.mark.parametrize("licence", ["AGPL-3.0-only", "GPL-2.0", "GNU GPL v3"])
def test_copyleft_is_known(licence: str) -> None:
    """The expression below finds something."""
    assert COPYLEFT.search(licence)


def test_no_package_is_copyleft() -> None:
    """Neither of those nor without any licence."""
    assert {name: licence for name, licence in LICENCES.items() if not licence or COPYLEFT.search(licence)} == {}
