"""The schema of a model's reply, and its parser. A reply has calls for the next step, or the answer.

The reply is one JSON object. It lists the parts of the goal, each with the observation that answers it, if any; then
either calls, each with the name of a tool and arguments of that tool's schema, or the answer. This form helps small
models: with a list of missing parts they make all calls at once, and they cannot name an observation that does not
exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..llm.answers import is_complete, read, without_nan
from .base import Tool
from .expressions import MAX_LENGTH
from .schema import for_model

Json = dict[str, Any]
Kind = Literal["any", "calls", "answer"]
"""What the next reply may be."""

MAX_CALLS: Final = 4
"""Calls of one step."""
MAX_PARTS: Final = 4
FEW_PARTS: Final = 3
"""Parts of a goal; fewer if the server limits lengths, since its model is small."""
PART_LENGTH: Final = 80
MAX_VALUES: Final = 6
"""Values of an answer."""
ENDLESS: Final = 1500
"""Characters of the parts of a reply, from which a small model goes on without an end."""
LOOPS: Final = 400
"""Characters of a reply from which it may write the same `LOOP` characters again and again: the digits of a number."""
LOOP: Final = 60
ANSWER_LENGTH: Final = 400
"""Characters, if the server limits lengths."""


@dataclass(frozen=True)
class Plan:
    """A model's reply: the parts of the goal, and calls (a tool's name and arguments) or the answer.

    `values` are names and expressions for values of the answer (`expressions`).
    """

    parts: Sequence[Json]
    calls: Sequence[tuple[str, Json]]
    answer: str | None
    values: Sequence[tuple[str, str]] = ()


def reply_schema(
    tools: Sequence[Tool], observations: Sequence[str], kind: Kind, *, bounded: bool, parts: bool = True
) -> Json:
    """The JSON Schema of a reply, with or without the parts of the goal.

    `observations` are those that a part may name. `bounded` is for servers that support the lengths of strings.
    """
    forms = []
    if kind != "answer":
        calls = [_call_schema(tool, bounded=bounded) for tool in tools]
        items = calls[0] if len(calls) == 1 else {"anyOf": calls}
        forms.append(_object(calls={"type": "array", "items": items, "minItems": 1, "maxItems": MAX_CALLS}))
    if kind != "calls":
        value = _object(name=_text(PART_LENGTH, bounded=bounded), expression=_text(MAX_LENGTH, bounded=bounded))
        values: Json = {"type": "array", "items": value, "maxItems": MAX_VALUES}
        forms.append(_object(values=values, answer=_text(ANSWER_LENGTH, bounded=bounded)))
    following = {"anyOf": forms} if len(forms) > 1 else forms[0]
    return _object(**({"parts": _parts(observations, bounded=bounded)} if parts else {}), next=following)


def _call_schema(tool: Tool, *, bounded: bool) -> Json:
    """A call. Its purpose comes right before the tool, which helps a small model to choose."""
    name: Json = {"type": "string", "const": tool.name}
    arguments = for_model(tool.parameters, bounded=bounded)
    return _object(**{"for": _text(PART_LENGTH, bounded=bounded)}, tool=name, arguments=arguments)


def _parts(observations: Sequence[str], *, bounded: bool) -> Json:
    observation: Json = {"type": "null"}
    if observations:
        observation = {"anyOf": [{"type": "string", "enum": list(observations)}, observation]}
    part = _object(part=_text(PART_LENGTH, bounded=bounded), observation=observation)
    return {"type": "array", "items": part, "minItems": 1, "maxItems": FEW_PARTS if bounded else MAX_PARTS}


def _text(length: int, *, bounded: bool) -> Json:
    return {"type": "string", "maxLength": length} if bounded else {"type": "string"}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse(text: str) -> Plan | None:
    """The plan in a reply, or `None`. If the reply was cut off, an answer counts, but calls do not."""
    reply = _decode(text)
    then = reply.get("next")
    if not isinstance(then, dict):
        return None
    parts = [_part(part) for part in _list(reply.get("parts")) if isinstance(part, dict)][:MAX_PARTS]
    if isinstance(then.get("answer"), str) and then["answer"].strip():
        values = [value for value in _list(then.get("values")) if isinstance(value, dict)][:MAX_VALUES]
        named = [(str(value.get("name")), str(value.get("expression"))) for value in values]
        return Plan(parts, (), then["answer"].strip(), named)
    calls = [_call(call) for call in _list(then.get("calls")) if isinstance(call, dict)]
    if not calls or not is_complete(text):
        return None
    return Plan(parts, calls[:MAX_CALLS], None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _part(part: Mapping[str, Any]) -> Json:
    observation = part.get("observation")
    return {"part": str(part.get("part") or ""), "observation": None if observation is None else str(observation)}


def _call(call: Mapping[str, Any]) -> tuple[str, Json]:
    arguments = call.get("arguments")
    return str(call.get("tool")), arguments if isinstance(arguments, dict) else {}


def _decode(text: str) -> Json:
    """The object in a reply, or the beginning of one."""
    try:
        reply = without_nan(read(text, partial="strings", names=("parts", "next")))
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


class PartialReply:
    """A reply that arrives in pieces, of which the parts of the goal are shown at once, a line each."""

    def __init__(self) -> None:
        self.text = ""
        self._sent = 0

    @property
    def is_endless(self) -> bool:
        """Whether it goes on and on: with parts, or with the same words."""
        text = self.text
        in_parts = text.lstrip().startswith('{"parts"') and '"next"' not in text
        return (in_parts and len(text) > ENDLESS) or (len(text) > LOOPS and text.count(text[-LOOP:]) > MAX_CALLS)

    def add(self, piece: str) -> str:
        """Adds a piece; returns what it adds to the parts."""
        self.text += piece
        parts = _list(_decode(self.text).get("parts"))
        text = "\n".join(_part(part)["part"] for part in parts if isinstance(part, dict))
        new = text[self._sent :]
        self._sent += len(new)
        return new
