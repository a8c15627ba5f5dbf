"""Checks the types that users of the package meet.

    python -m tools.check_types     # `make check` runs it

The first example of each of `PAGES` passes `mypy --strict` in a project of its own, and pyright finds that the package
says the types of more than `COMPLETE` of what it exports (`pyright --verifytypes`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SETTINGS: Final = """
[mypy]
[mypy-celery.*]
ignore_missing_imports = True
"""
"""Celery has no types, which mypy does not report of an installed package; here `streaming` is the project's own."""
PAGES: Final = ("README.md", "docs/guides/embedding.md")
COMPLETE: Final = 0.95


def main() -> int:
    """Runs both checks, and gives the exit code."""
    return check_examples() or check_completeness()


def check_examples() -> int:
    """The exit code of `mypy --strict` on the examples, which has none of this project's settings."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "streaming").symlink_to(ROOT / "streaming")
        for page in PAGES:
            code = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)[0]
            Path(folder, f"{Path(page).stem}_example.py").write_text(code)
        Path(folder, "mypy.ini").write_text(SETTINGS)
        strict = ["--strict", "--no-error-summary", f"--cache-dir={ROOT}/.mypy_cache/examples"]
        command = [sys.executable, "-m", "mypy", *strict, *(path.name for path in Path(folder).glob("*.py"))]
        return subprocess.run(command, check=False, cwd=folder, env={**os.environ, "MYPYPATH": folder}).returncode


def check_completeness() -> int:
    """The exit code of the check of completeness; too low, it prints what has no type."""
    verify = ["--verifytypes", "streaming", "--ignoreexternal", "--outputjson", "--pythonpath", sys.executable]
    command, env = [str(ROOT / "node_modules/.bin/pyright"), *verify], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True)
    found = json.loads(done.stdout)["typeCompleteness"]
    score = found["completenessScore"]
    sys.stdout.write(f"pyright knows {score:.1%} of the types that streaming exports\n")
    if score > COMPLETE:
        return 0
    unknown = [symbol["name"] for symbol in found["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    sys.stdout.write("\n".join(["These have no type of their own, or derive from what has none:", *unknown, ""]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
