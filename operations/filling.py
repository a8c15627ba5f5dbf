"""Has a model fill in the form of `fields` for each page of a document, and tells how far that is.

Pages longer than the model's context go to it in pieces. A page for which the model gives no JSON costs only itself,
and one that it does not come to an end with is taken as far as it got: both are named in the result as `incomplete`.
Should no page have had an answer, the run fails as its last one did.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any, Final

from streaming import Event, OperationError, partial, progress

from . import fields
from .llm import Finished, Model, Usage, connect, fill
from .occurs import PageText

PIECE: Final = 24_000
"""Characters of a page that go to a model at once."""
EMBEDDED_PIECE: Final = 4_500
"""The same for the embedded one: some 1,500 of its 4,096 tokens, or twice that in scripts that it hardly knows."""
SMALLEST: Final = 300
"""Characters below which a piece is not halved again."""
MOST_TOKENS: Final = 4_096
EMBEDDED_TOKENS: Final = 1_024
"""Tokens of an answer."""
READING: Final = 0.7
"""The share of a page's time that goes by before the first word of the answer, for the progress within a page."""
STEP: Final = "fields"

Json = dict[str, Any]


class Filling:
    """One form and one document."""

    def __init__(self, schema: Json) -> None:
        self._form = fields.form_of(schema)
        self._found: list[fields.Found] = []
        self._failed: dict[int, OperationError] = {}
        self._cut: set[int] = set()
        self._ended: list[Finished] = []

    def filled(self, pages: Iterable[tuple[int, str]]) -> Generator[Event, None, Json]:
        """What was found on `pages`, each a number and a text: `fields`, `evidence`, `unverified`, `incomplete` ...

        Raises `OperationError` with a code of `llm.errors`.
        """
        model = yield from connect()
        with_text = [(number, text) for number, text in pages if text.strip()]
        total = len(with_text)
        for done, (number, text) in enumerate(with_text):
            yield progress(f"Looking for the fields on page {number}", done=done, total=total, unit="pages", step=STEP)
            yield from self._page(model, number, text, done, total)
        yield progress("The fields are filled in", done=total, total=total, unit="pages", step=STEP)
        if self._failed and len(self._failed) == total:
            raise self._failed[with_text[-1][0]]
        return self._result(model)

    def _page(self, model: Model, number: int, text: str, done: int, total: int) -> Generator[Event, None, None]:
        page = PageText(number, text)
        waiting = fields.pieces(text, EMBEDDED_PIECE if model.embedded else PIECE)
        given: list[fields.Found] = []
        while waiting:
            piece = waiting.pop(0)
            try:
                value = yield from self._piece(model, number, piece, done, total)
            except OperationError as error:
                if error.code == "model_context_too_small" and len(piece) > SMALLEST:
                    waiting[:0] = fields.pieces(piece, len(piece) // 2 + 1)
                elif error.code == "model_unfit":
                    self._failed[number] = error
                else:
                    raise
            else:
                given += [] if value is None else [fields.Found(page, value)]
        self._found += given
        yield self._partial(number, given)

    def _piece(self, model: Model, number: int, piece: str, done: int, total: int) -> Generator[Event, None, Any]:
        asking = fill(
            model,
            fields.messages(self._form, number, piece),
            fields.page_schema(self._form, bounded=model.embedded),
            max_tokens=min(fields.answer_tokens(self._form), EMBEDDED_TOKENS if model.embedded else MOST_TOKENS),
            step=STEP,
            lenient=True,  # `fields.clean` takes what it can use
        )
        value, ended = yield from _within(asking, done, total)
        self._ended.append(ended)
        if ended.reason == "length":
            self._cut.add(number)
        return fields.clean(self._form, value)

    def _partial(self, number: int, given: list[fields.Found]) -> Event:
        merged = fields.merge(self._form, given)
        told = {"page": number, "fields": merged.value, "unverified": fields.unverified(merged.evidence)}
        return partial(f"fields-{number}", told)

    def _result(self, model: Model) -> Json:
        merged = fields.merge(self._form, self._found)
        used = [ended.usage for ended in self._ended]
        return {
            "fields": merged.value,
            "evidence": merged.evidence,
            "unverified": fields.unverified(merged.evidence),
            "incomplete": sorted(self._cut | set(self._failed)),
            "model": model.name,
            "usage": {name: sum(getattr(each, name) or 0 for each in used) for name in Usage._fields},
        }


def _within(asking: Generator[Event, None, Any], done: int, total: int) -> Generator[Event, None, Any]:
    """The events of one call, with what it tells of reading its prompt as a part of one page."""
    with closing(asking):
        while True:
            try:
                told = next(asking)
            except StopIteration as end:
                return end.value
            data = told.data
            if data.get("step") == STEP:
                read = READING * data["done"] / max(1, data["total"])
                told = progress(done=round(done + read, 2), total=total, unit="pages", step=STEP)
            yield told
