"""Reads one document in its own process: `python -m operations.tools.document_process PATH` prints its pages as JSON.

A PDF is a program that a stranger wrote. It may take `MEMORY` and `SECONDS` here, and if it crashes the process, only
the call of the tool fails.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

from operations.processes import limit_process

MEMORY: Final = 1 << 30
"""Bytes of address space."""
SECONDS: Final = 60
"""Of processor time."""
MAX_PAGES: Final = 500
MAX_TEXT: Final = 2_000_000
"""Characters of all pages."""


def read(path: Path) -> dict[str, Any]:
    """The texts of the pages, up to the limits; raises `Unreadable`."""
    if path.open("rb").read(1024).find(b"%PDF-") < 0:
        text = path.read_bytes()[: 4 * MAX_TEXT].decode(errors="replace")
        return {"page_count": 1, "pages": [text[:MAX_TEXT]]}
    from operations.pdf.engine import Document
    from operations.pdf.errors import Unreadable

    pages: list[str] = []
    with Document(path) as document:
        for number in range(1, min(document.page_count, MAX_PAGES) + 1):
            try:
                pages.append(document.read(number).text)
            except Unreadable as error:
                if error.code != "damaged_page":
                    raise
                pages.append("")
            if sum(map(len, pages)) > MAX_TEXT:
                break
        return {"page_count": document.page_count, "pages": pages}


def main(path: str) -> None:
    """Prints the pages, or the error."""
    limit_process({resource.RLIMIT_AS: MEMORY, resource.RLIMIT_CPU: SECONDS})
    from operations.pdf.errors import Unreadable

    try:
        output = read(Path(path))
    except Unreadable as error:
        output = {"code": error.code, "message": error.message}
    sys.stdout.write(json.dumps(output))


if __name__ == "__main__":
    main(sys.argv[1])
