"""The questions of a run: their schemas, and the answers of people, which are checked against them.

Only questions with a schema need jsonschema, so the library does not require it (extra `questions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import BadRequest, Conflict, EncodeError, FieldError, InvalidInput, RegistrationError


def check_answer(body: bytes, question: bytes | None) -> tuple[str, bytes]:
    """The id of the question that `body` answers, and the answer as JSON; `question` is the open one, encoded.

    Raises `BadRequest` for a body that is no answer, `Conflict` where that question is not open, and `InvalidInput`
    for an answer that its schema does not allow.
    """
    try:
        members = orjson.loads(body)
        question_id, answer = members["question"], members["answer"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        shape = '{"question": ID, "answer": ...}'
        raise BadRequest(f"an answer is {shape}", errors=[{"loc": [], "msg": f"is {shape}"}]) from error
    open_question = None if question is None else orjson.loads(question)
    if open_question is None or open_question["question"] != question_id:
        raise Conflict("this question is not open", code="question_not_open")
    errors = errors_in(answer, open_question["schema"])
    if errors:
        raise InvalidInput("the answer does not fit the question's schema", code="invalid_answer", errors=errors)
    return question_id, orjson.dumps(answer)


def errors_in(answer: Any, schema: dict[str, Any]) -> list[FieldError]:
    """What does not fit the schema (JSON Schema 2020-12), with paths that begin at `answer`."""
    if not schema:
        return []
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # The default registry would fetch references from the network.
    errors = Draft202012Validator(schema, registry=Registry()).iter_errors(answer)
    return [{"loc": ["answer", *error.absolute_path], "msg": error.message} for error in errors]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises `EncodeError` for an invalid schema (JSON Schema 2020-12): nobody could answer the question.

    Raises `RegistrationError` where jsonschema is not installed.
    """
    if not schema:
        return
    try:
        from jsonschema import Draft202012Validator, SchemaError
    except ModuleNotFoundError as missing:
        raise RegistrationError(
            "a question with a schema needs jsonschema: pip install 'headway[questions]'"
        ) from missing
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise EncodeError(f"the schema of a question is invalid: {error.json_path}: {error.message}") from None
    _check_references(schema)


def _check_references(schema: Mapping[str, Any]) -> None:
    """Raises `EncodeError` for a `$ref` to something that is not in the schema."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    root = DRAFT202012.create_resource(dict(schema))
    waiting = [(Registry[Any]().resolver_with_root(root), root)]
    while waiting:
        resolver, resource = waiting.pop()
        reference = resource.contents.get("$ref") if isinstance(resource.contents, dict) else None
        try:
            if reference is not None:
                resolver.lookup(reference)
        except (Unresolvable, LookupError, TypeError, ValueError):  # a pointer through a number is a TypeError
            raise EncodeError(f"the schema of a question refers to {reference!r}, which is not in it") from None
        waiting += [(resolver.in_subresource(inner), inner) for inner in resource.subresources()]
