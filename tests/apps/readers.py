"""Applications whose own code reads the body of a request ahead of Headway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, Request, request
from flask_wtf.csrf import CSRFProtect, generate_csrf
from pydantic import BaseModel
from werkzeug.formparser import parse_form_data

from streaming import Headway, Upload, ask, operation


class Order(BaseModel):
    """An input that a body of every kind can carry."""

    word: str = "none"
    file: Upload | None = None


@operation(linger=30)
def echoed(input: Order) -> Any:
    """Returns its input, once it is answered where it asks."""
    answer = (yield ask("Well?", schema={"type": "string"})) if input.word == "ask" else None
    text = input.file.path.read_text() if input.file else None
    return {"word": input.word, "file": text, "answer": answer}


def read_files(request: Request) -> None:
    """Reads uploads to their ends."""
    for entry in request.files.values():
        entry.read()


READERS: Final[dict[str, Callable[[Request], Any]]] = {
    "nothing": lambda request: None,
    "form": lambda request: request.form,
    "values": lambda request: request.values,
    "json": lambda request: request.get_json(silent=True),
    "json-uncached": lambda request: request.get_json(silent=True, cache=False),
    "data": lambda request: request.data,
    "get-data": lambda request: request.get_data(),
    "get-data-uncached": lambda request: request.get_data(cache=False),
    "get-data-form": lambda request: request.get_data(parse_form_data=True),
    "files": read_files,
    "stream": lambda request: request.stream.read(),
    "stream-part": lambda request: request.stream.read(3),
    "uncached-then-form": lambda request: (request.get_data(cache=False), request.form),
    "parse-form-data": lambda request: parse_form_data(request.environ),
    "wsgi-input": lambda request: request.environ["wsgi.input"].read(),
}
"""Ways in which code of an application reads a body ahead of its route; the header `X-Reader` names one."""


def read_first() -> None:
    """A `before_request` that reads as the request says."""
    READERS[request.headers.get("X-Reader", "nothing")](request)


def authorize(request: Request) -> str:
    """The same as an `authorize`."""
    READERS[request.headers.get("X-Authorize", "nothing")](request)
    return "ann"


def reading() -> Flask:
    """An application that reads every body first, in each of the ways, and where it is asked, Flask-WTF."""
    app = Flask(__name__)
    app.secret_key = "not secret"
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf = CSRFProtect(app)
    app.before_request(read_first)
    Headway(app, operations=[echoed], authorize=authorize, max_body=100_000)

    @app.before_request
    def protect() -> None:
        if "X-Protect" in request.headers:
            csrf.protect()

    @app.get("/token")
    def token() -> str:
        return str(generate_csrf())

    return app
