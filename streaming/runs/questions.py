"""The questions of a run: their schemas, and the answers of people, which are checked against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import BadRequest, Conflict, EncodeError, FieldError, InvalidInput
from ..protocol.json_limits import excess_of
from .json_schema import JsonSchema


def check_answer(body: bytes, question: bytes | None) -> tuple[str, bytes]:
    """The id of the question that `body` answers, and the answer as JSON; `question` is the open one, encoded.

    Raises `BadRequest` for a body that is no answer, `Conflict` where that question is not open, and `InvalidInput`
    for an answer with more values than `json_limits` allows, or one that its schema does not.
    """
    if excess := excess_of(body):
        raise InvalidInput(f"the answer has {excess}", errors=[{"loc": [], "msg": f"has {excess}"}])
    try:
        members = orjson.loads(body)
        question_id, answer = members["question"], members["answer"]
        encoded = orjson.dumps(answer)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, KeyError, TypeError, RecursionError) as error:
        shape = '{"question": ID, "answer": ...}'
        raise BadRequest(f"an answer is {shape}", errors=[{"loc": [], "msg": f"is {shape}"}]) from error
    open_question = None if question is None else orjson.loads(question)
    if open_question is None or open_question["question"] != question_id:
        raise Conflict("this question is not open", code="question_not_open")
    errors = errors_in(answer, open_question["schema"])
    if errors:
        raise InvalidInput("the answer does not fit the question's schema", code="invalid_answer", errors=errors)
    return question_id, encoded


def errors_in(answer: Any, schema: dict[str, Any]) -> list[FieldError]:
    """What does not fit the schema (JSON Schema 2020-12), with paths that begin at `answer`."""
    if not schema:
        return []
    errors = JsonSchema(schema).errors(answer)
    return [{"loc": ["answer", *error["loc"]], "msg": error["msg"]} for error in errors]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises `EncodeError` for a schema that `JsonSchema` does not take: nobody could answer the question."""
    if not schema:
        return
    try:
        JsonSchema(schema).check()
    except ValueError as error:
        raise EncodeError(f"the schema of a question is invalid: {error}") from None
