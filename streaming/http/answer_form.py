"""An answer to a question as a form sends it: texts, which become values by the schema of the question.

The fields are `question` and `answer`; for a schema of an object, `answer.NAME` for each of its properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from flask import Request
from werkzeug.datastructures import MultiDict

from ..errors import BadRequest
from ..settings import Settings
from .inputs import FORMS, read_body, read_form

TRUE: Final = ("true", "on", "yes", "1")
FALSE: Final = ("false", "off", "no", "0", "")


def read_answer(request: Request, settings: Settings, question: bytes | None) -> bytes:
    """The answer in a request as JSON, `{"question": ID, "answer": ...}`; `question` is the open one.

    Raises `BadRequest`, `TooLarge`, `UnsupportedMedia` and `BodyConsumed`.
    """
    if request.mimetype not in FORMS:
        return read_body(request, settings)
    form, _ = read_form(request, settings)
    schema = {} if question is None else orjson.loads(question)["schema"]
    try:
        return orjson.dumps({"question": form["question"], "answer": answer_of(form, schema)})
    except (KeyError, orjson.JSONEncodeError) as error:
        shape = "the fields `question` and `answer`"
        raise BadRequest(f"an answer is {shape}", errors=[{"loc": [], "msg": f"is {shape}"}]) from error


def answer_of(form: MultiDict[str, str], schema: dict[str, Any]) -> Any:
    """The value in a form. Raises `KeyError` where there is none."""
    if _type_of(schema) == "object" and "answer" not in form:
        return _object(form, schema)
    if "answer" not in form and _type_of(schema) == "boolean":
        return False  # a box that is not checked
    return _value(form.getlist("answer") or [form["answer"]], schema)


def _object(form: MultiDict[str, str], schema: dict[str, Any]) -> dict[str, Any]:
    """The properties that the form has; one left empty is missing, except a text that has to be there."""
    values: dict[str, Any] = {}
    properties, required = schema.get("properties"), schema.get("required", ())
    for name, inner in (properties if isinstance(properties, dict) else {}).items():
        texts, kind = form.getlist(f"answer.{name}"), _type_of(inner)
        if kind == "boolean" or any(texts) or (texts and kind == "string" and name in required):
            values[name] = _value(texts or [""], inner)
    return values


def _value(texts: Sequence[str], schema: Any) -> Any:
    """Texts of one field as a value; a text that is none of this type stays one, for the schema to refuse."""
    text, kind = texts[0], _type_of(schema)
    if kind == "array":
        return [_value([each], schema.get("items")) for each in texts]
    if kind == "boolean" and text.lower() in TRUE + FALSE:
        return text.lower() in TRUE
    if kind in ("integer", "number", "object"):
        return _decoded(text)
    if kind == "null" and text in ("", "null"):
        return None
    if kind is None and isinstance(schema, dict) and "enum" in schema:
        return next((member for member in schema["enum"] if text in (member, _encoded(member))), text)
    return text


def _type_of(schema: Any) -> str | None:
    """The type that a schema names, the first one besides null of several; `None` where it names none."""
    named = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(named, list):
        named = next((each for each in named if each != "null"), None)
    return named if isinstance(named, str) else None


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return text


def _encoded(value: Any) -> str:
    return orjson.dumps(value).decode()
