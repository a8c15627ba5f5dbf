"""Extracts a hundred fields with known answers from ten invoices, and prints how many are right.

`python -m bench.invoices --base-url http://127.0.0.1:8081/v1` asks the model of that server; one of 1.5 billion
parameters takes about a minute for an invoice on two cores. A field is right, wrong and told (no value where there is
one, `unverified`, `not_understood`, on an `incomplete` page), or wrong and not told, which must not be.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bench.invoice_pages import INVOICES, Invoice
from operations.extract import Extract, extract
from operations.form.words import normalize
from streaming import OperationError, Upload

KINDS: Final = ("right", "wrong-and-told", "wrong-and-not-told")


def main() -> None:
    """Extracts the fields, and prints those that are not right, and the sums."""
    parser = argparse.ArgumentParser(prog="python -m bench.invoices", description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8081/v1", help="the OpenAI-compatible server")
    parser.add_argument("--only", default="", help="names or numbers, from 1, of invoices, with commas between them")
    parser.add_argument("--text", action="store_true", help="print the text that the model reads, and ask no model")
    options = parser.parse_args()
    os.environ |= {"HEADWAY_LLM_BASE_URL": options.base_url, "HEADWAY_LLM_TIMEOUT": "600"}
    os.environ.setdefault("HEADWAY_LLM_MODEL", "default")
    chosen = set(filter(None, options.only.split(",")))
    counts: Counter[str] = Counter()
    for number, invoice in enumerate(INVOICES, 1):
        if chosen and not chosen & {str(number), invoice.name}:
            continue
        if options.text:
            print("\n".join(f"== {invoice.name}\n{page['text']}" for page in read(invoice, None)["pages"]))
            continue
        begun = time.monotonic()
        kinds = outcome(invoice)
        counts.update(kind for kind, _ in kinds.values())
        print(f"{number:3} {invoice.name:14}{time.monotonic() - begun:6.1f} s  {summary(kinds.values())}")
        for name, (kind, said) in kinds.items():
            if kind != KINDS[0]:
                print(f"      {kind:20}{name:26}{said}", flush=True)
    print(", ".join(f"{kind} {counts[kind]}" for kind in KINDS))
    sys.exit(counts[KINDS[2]] > 0)


def summary(outcomes: Any) -> str:
    """The number of each kind."""
    counts = Counter(kind for kind, _ in outcomes)
    return ", ".join(f"{kind} {counts[kind]}" for kind in KINDS)


def read(invoice: Invoice, fields: dict[str, Any] | None) -> dict[str, Any]:
    """The result of `extract` for an invoice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{invoice.name}.pdf"
        path.write_bytes(invoice.pdf())
        file = Upload(path, path.name, "application/pdf", path.stat().st_size)
        work = extract.fn(Extract(file=file, fields=fields))
        while True:
            try:
                next(work)
            except StopIteration as end:
                return dict(end.value)


def outcome(invoice: Invoice) -> dict[str, tuple[str, str]]:
    """For each field, what became of it, and what was answered."""
    try:
        result = read(invoice, invoice.schema())
    except OperationError as error:
        return dict.fromkeys(invoice.answers, (KINDS[1], f"{error.code}: {error.message}"))
    return {name: judge(name, right, result) for name, (_, right) in invoice.answers.items()}


def judge(name: str, right: Any, result: dict[str, Any]) -> tuple[str, str]:
    """The kind of a field's answer, and the answer with its evidence."""
    value, pointer = result["fields"][name], f"/{name}"
    told = pointer in result["unverified"] or pointer in result["not_understood"] or bool(result["incomplete"])
    shown = {key: each for key, each in result["evidence"].get(pointer, {}).items() if key != "boxes"}
    said = f"{value!r}, right: {right!r} {json.dumps(shown, ensure_ascii=False, default=str)}"
    if any(_same(value, each) for each in (right if isinstance(right, tuple) else (right,))) and not told:
        return KINDS[0], said
    return (KINDS[1] if told or value is None else KINDS[2]), said


def _same(value: Any, right: Any) -> bool:
    if value is None or right is None:
        return value is right
    if isinstance(right, int | float):
        return math.isclose(value, right, abs_tol=0.001)
    return _letters(value) == _letters(right)


def _letters(text: str) -> str:
    """A text without its spaces and the dots and commas at its end."""
    return normalize(text).replace(" ", "").rstrip(".,")


if __name__ == "__main__":
    main()
