"""Writes `docs/licences.md`: the licences of what Headway stands on, as the packages themselves state them.

    python -m tools.write_licences

`make requirements` runs it, and `tests/test_licences.py` fails where a package is missing there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "licences.md"
PINNED: Final = ("requirements.txt", "requirements-dev.txt")

HEAD: Final = """\
# Licences

Headway is under the [MIT licence](../LICENSE). `make requirements` writes this page from what the packages state.
Nothing here is under the GPL or the AGPL; psycopg (LGPL) is used by the tests alone. The weights of the embedded model,
SmolLM2-135M-Instruct, are under Apache-2.0.
"""


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page."""
    return "\n".join(
        [
            HEAD,
            *_table(f"Python packages, as {' and '.join(f'`{file}`' for file in PINNED)} pin them", python_licences()),
            *_table("npm packages in the built client and console", npm_licences()),
        ]
    )


def python_licences() -> dict[str, str]:
    """The licences of the pinned packages that are installed: some are for other platforms."""
    lines = [line for file in PINNED for line in (ROOT / file).read_text().splitlines()]
    names = [match[0] for line in lines if (match := re.match(r"[a-z0-9][a-z0-9._-]*", line))]
    return {name: licence for name in names if (licence := _python_licence(name))}


def npm_licences() -> dict[str, str]:
    """The licences of the packages that `package-lock.json` has for more than development."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    return {
        path.rpartition("node_modules/")[2]: entry.get("license", "")
        for path, entry in packages.items()
        if path.startswith("node_modules/") and not entry.get("dev") and not entry.get("link")
    }


def _python_licence(name: str) -> str:
    try:
        fields: Any = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = [entry for entry in fields.get_all("Classifier", []) if entry.startswith("License")]
    from_classifiers = ", ".join(entry.rpartition(" :: ")[2] for entry in classifiers)
    return str(fields.get("License-Expression") or from_classifiers or fields.get("License", "").partition("\n")[0])


def _table(title: str, licences: dict[str, str]) -> Iterator[str]:
    yield f"## {title}\n\n| package | licence |\n|---|---|"
    for name, licence in sorted(licences.items()):
        yield f"| {name} | {licence} |"
    yield ""


if __name__ == "__main__":
    main()
