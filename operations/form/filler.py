"""Asks a model to fill in the form for each page of a document, and reports progress.

A page that is longer than the model's context is sent in pieces, also if its server cuts the prompt without an error. A
page for which the model returns no JSON does not fail the run, nor does one of which the server reads only a part in
any size, and of an answer that is cut off the complete values count: the result lists these pages as `incomplete`. If
no page has an answer, the run fails with the error of the last page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

from streaming import Event, OperationError, partial, progress

from ..llm import Model, Usage, connect, fill
from ..llm.errors import PromptCutError
from ..pdf.word_boxes import WordBoxes
from .convert import NotUnderstood, clean, from_json, to_json
from .evidence import PageText
from .merge import PageValue, merge, unverified
from .prompt import answer_tokens, page_messages, page_schema, split
from .schema import Json, form_of

log = logging.getLogger("headway")

PIECE: Final = 24_000
"""Characters of a page that are sent to a model at once."""
EMBEDDED_PIECE: Final = 4_500
"""The same for the embedded model: some 1,500 of its 4,096 tokens, or twice as many in scripts that it hardly knows."""
MIN_PIECE: Final = 300
"""Characters below which a piece is not halved again."""
MAX_TOKENS: Final = 4_096
EMBEDDED_TOKENS: Final = 1_024
"""Tokens of an answer."""
PROMPT_SHARE: Final = 0.7
"""The share of a page's time that the model reads its prompt, for the progress within a page."""
STEP: Final = "fields"


class FormFiller:
    """Fills in one form for one document."""

    def __init__(self, schema: Json) -> None:
        self._form = form_of(schema)
        self._values: list[PageValue] = []
        self._errors: dict[int, OperationError] = {}
        self._cut: set[int] = set()
        self._size: int | None = None
        self._usage: list[Usage] = []
        self._boxes: Mapping[int, WordBoxes] = {}

    def fill(
        self,
        pages: Iterable[tuple[int, str]],
        boxes: Mapping[int, WordBoxes] | None = None,
        kept: Json | None = None,
        keep: Callable[[Json], Iterator[Event]] = lambda _: iter(()),
    ) -> Generator[Event, None, Json]:
        """The fields of `pages`, each a number and a text: `fields`, `evidence`, `unverified`, `incomplete` ...

        With the `boxes` of the words of a page, by its number, the evidence tells where on it the values stand.

        After each page it yields what `keep` makes of its state, and goes on from one that was `kept`. Raises
        `OperationError` with a code of `llm.errors`.
        """
        model = yield from connect()
        self._boxes = boxes or {}
        with_text = [(number, text) for number, text in pages if text.strip()]
        total = len(with_text)
        first = 0 if kept is None else self._restore(kept, dict(with_text))
        for done, (number, text) in enumerate(with_text[first:], first):
            yield progress(f"Looking for the fields on page {number}", done=done, total=total, unit="pages", step=STEP)
            yield from self._fill_page(model, number, text, done, total)
            yield from keep(self._state(done + 1))
        yield progress("The fields are filled in", done=total, total=total, unit="pages", step=STEP)
        if self._errors and len(self._errors) == total:
            raise self._errors[with_text[-1][0]]
        return self._result(model)

    def _state(self, done: int) -> Json:
        """What was found on the first pages with a text, of which so many are done."""
        errors = {str(number): [error.code, error.message, error.retryable] for number, error in self._errors.items()}
        return {
            "done": done,
            "values": [[value.page.number, to_json(value.value)] for value in self._values],
            "errors": errors,
            "cut": sorted(self._cut),
            "size": self._size,
            "usage": [list(each) for each in self._usage],
        }

    def _restore(self, state: Json, texts: Mapping[int, str]) -> int:
        """Goes back to a state; gives how many pages are done."""
        pages = {number: PageText(number, text, self._boxes.get(number)) for number, text in texts.items()}
        self._values = [PageValue(pages[number], from_json(value)) for number, value in state["values"]]
        self._errors = {
            int(number): OperationError(code, message, retryable=retryable)
            for number, (code, message, retryable) in state["errors"].items()
        }
        self._cut, self._size = set(state["cut"]), state["size"]
        self._usage = [Usage(*each) for each in state["usage"]]
        return int(state["done"])

    def _fill_page(self, model: Model, number: int, text: str, done: int, total: int) -> Generator[Event, None, None]:
        page = PageText(number, text, self._boxes.get(number))
        pieces = split(text, self._size or (EMBEDDED_PIECE if model.embedded else PIECE))
        values: list[PageValue] = []
        while pieces:
            piece = pieces.pop(0)
            try:
                value = yield from self._fill_piece(model, number, piece, done, total)
            except OperationError as error:
                if error.code == "model_context_too_small" and len(piece) > MIN_PIECE:
                    self._size = len(piece) // 2 + 1
                    pieces[:0] = split(piece, self._size)
                elif error.code == "model_unfit":
                    self._errors[number] = error
                elif isinstance(error, PromptCutError):
                    self._errors[number] = error
                    pieces.clear()
                else:
                    raise
            else:
                values += [] if value is None else [PageValue(page, value)]
        self._values += values
        yield self._partial(number, values)

    def _fill_piece(self, model: Model, number: int, piece: str, done: int, total: int) -> Generator[Event, None, Any]:
        call = fill(
            model,
            page_messages(self._form, number, piece),
            page_schema(self._form, bounded=model.embedded),
            max_tokens=min(answer_tokens(self._form), EMBEDDED_TOKENS if model.embedded else MAX_TOKENS),
            step=STEP,
            lenient=True,  # `clean` checks the values one by one
        )
        value, finished = yield from _within_page(call, done, total)
        self._usage.append(finished.usage)
        if finished.reason == "length":
            self._cut.add(number)
        values = clean(self._form, value)
        if isinstance(values, NotUnderstood):
            self._cut.add(number)
        return values

    def _partial(self, number: int, values: list[PageValue]) -> Event:
        merged = merge(self._form, values)
        if merged.not_understood:
            log.debug("page %d: answers that are no values: %.500s", number, merged.not_understood)
        value = {
            "page": number,
            "fields": merged.value,
            "unverified": unverified(merged.evidence),
            "not_understood": merged.not_understood,
        }
        return partial(f"fields-{number}", value)

    def _result(self, model: Model) -> Json:
        merged = merge(self._form, self._values)
        return {
            "fields": merged.value,
            "evidence": merged.evidence,
            "unverified": unverified(merged.evidence),
            "not_understood": merged.not_understood,
            "incomplete": sorted(self._cut | set(self._errors)),
            "model": model.described,
            "usage": {name: sum(getattr(each, name) or 0 for each in self._usage) for name in Usage._fields},
        }


def _within_page(call: Generator[Event, None, Any], done: int, total: int) -> Generator[Event, None, Any]:
    """The events of one call, with the progress of reading its prompt as a share of one page."""
    with closing(call):
        while True:
            try:
                event = next(call)
            except StopIteration as end:
                return end.value
            if event.data.get("step") == STEP:
                read = PROMPT_SHARE * event.data["done"] / max(1, event.data["total"])
                event = progress(done=round(done + read, 2), total=total, unit="pages", step=STEP)
            yield event
