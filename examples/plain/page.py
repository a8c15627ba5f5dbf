"""A Flask application whose page follows a run by twenty lines of JavaScript, without a build.

Its operation is much that of examples/htmx: each example is read and copied by itself.
"""

import time

from flask import Flask, Response, send_file
from pydantic import BaseModel, Field

from streaming import Headway, ask, delta, operation, progress


class Input(BaseModel):
    """What to count."""

    pages: int = Field(20, ge=1, le=1000)


@operation(linger=60)  # a page that is loaded again has time to come back
def count(input: Input):
    """Counts pages, and asks half way."""
    for page in range(1, input.pages + 1):
        time.sleep(0.05)
        yield progress(f"Page {page}", done=page, total=input.pages, unit="pages")
        yield delta(f"{page} ")
        if page == (input.pages + 1) // 2:
            go_on = yield ask("Count the rest, too?", schema={"type": "boolean"})
            if not go_on:
                return {"pages": page}
    return {"pages": input.pages}


app = Flask(__name__)
Headway(app, operations=[count])


@app.get("/")
def index() -> Response:
    """The page."""
    return send_file("index.html")
