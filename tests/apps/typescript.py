"""An application for the TypeScript client: the operations of `streams`, one that takes files, and a bare stream."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypedDict

from flask import Flask, request
from pydantic import BaseModel

from streaming import Headway, Upload, delta, operation, partial
from streaming.errors import StoreAway
from tests.apps.streams import OPERATIONS, view_report


class Parcel(BaseModel):
    """Files, and words that came with them."""

    file: Upload
    others: list[Upload] = []
    tags: list[str] = []
    copies: int = 1


class Received(TypedDict):
    """What has arrived."""

    filename: str
    size: int
    others: list[str]
    tags: list[str]
    copies: int


@operation
def received(input: Parcel) -> Generator[Any, Any, Received]:
    """Reads the files, and says what they are."""
    yield delta(input.file.path.read_text())
    return {
        "filename": input.file.filename,
        "size": input.file.size,
        "others": [other.filename for other in input.others],
        "tags": input.tags,
        "copies": input.copies,
    }


@operation
def referring() -> Generator[Any, Any, dict[str, Any]]:
    """Returns what were its partials, by reference."""
    for number in range(3):
        yield partial(f"row-{number}", {"number": number})
    return {"rows": [{"$partial": f"row-{number}"} for number in range(3)]}


def create_app() -> Flask:
    """The application; a stream with `?away=WORD` finds the store away, once for each word."""
    app = Flask(__name__)
    Headway(app, operations=[*OPERATIONS, received, referring], url_prefix="/api")
    refused: set[str] = set()

    @app.before_request
    def refuse() -> None:
        word = request.args.get("away", "")
        if word and word not in refused:
            refused.add(word)
            raise StoreAway("the store is away")

    app.add_url_rule("/report", view_func=view_report, methods=["POST"])
    return app


app = create_app()
