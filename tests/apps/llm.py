"""An application of operations that ask a model, for the tests of the embedded server.

`spell` reads a prompt of any length and writes a long answer, so that it ends early only if it is stopped.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from flask import Flask
from pydantic import BaseModel

from operations import llm
from operations.extract import extract
from operations.think import think
from streaming import Event, Headway, Operation, delta, operation


class Words(BaseModel):
    """The words of the prompt, and the tokens of the answer."""

    words: int = 1
    tokens: int = 3000


@operation(where=llm.place)
def spell(input: Words) -> Generator[Event, None, dict[str, Any]]:
    """Writes a long answer to a prompt with this number of words."""
    model = yield from llm.connect()
    prompt = " ".join(f"word{number}" for number in range(input.words)) + " Count from 1 to 1000, one number a line."
    for piece in llm.chat(model, [llm.user(prompt)], max_tokens=input.tokens, temperature=0):
        if isinstance(piece, Event):
            yield piece
        elif isinstance(piece, llm.Text):
            yield delta(piece.text)
    return {"model": model.name}


def create_app() -> Flask:
    """The application, as a service would make it."""
    llm.hold()
    application = Flask(__name__)
    operations: list[Operation] = [spell, think, extract]
    Headway(application, operations=operations, store="memory:")
    return application


app = create_app()
