"""A Flask application whose pages follow a run by htmx alone: / by htmx 2, /4 by htmx 4.

Its operation is much that of examples/plain: each example is read and copied by itself.
"""

import time

from flask import Flask, Response, render_template, session
from pydantic import BaseModel, Field

from streaming import Headway, ask, delta, operation, progress


class Input(BaseModel):
    """What to count, and how fast."""

    pages: int = Field(20, ge=1, le=1000)
    pause: float = Field(0.2, ge=0, le=5)


@operation(linger=60)  # a page that is loaded again has time to come back
def count(input: Input):
    """Counts pages, and asks half way."""
    for page in range(1, input.pages + 1):
        time.sleep(input.pause)
        yield progress(f"Page {page}", done=page, total=input.pages, unit="pages")
        yield delta(f"{page} ")
        if page == (input.pages + 1) // 2:
            go_on = yield ask("Count the rest, too?", schema={"type": "boolean"})
            if not go_on:
                return {"pages": page}
    return {"pages": input.pages}


app = Flask(__name__)
app.secret_key = "for development only"
Headway(app, operations=[count])


@app.after_request
def remember_run(response: Response) -> Response:
    """Keeps the run that a form has started, for a page that is loaded again."""
    if "Run-Id" in response.headers:
        session["run"] = response.headers["Run-Id"]
    return response


@app.get("/")
def with_htmx_2() -> str:
    """The page with htmx 2."""
    return render_template("page.html", htmx=2, view="view=html", run=session.get("run"))


@app.get("/4")
def with_htmx_4() -> str:
    """The page with htmx 4."""
    return render_template("page.html", htmx=4, view="view=html&names=0", run=session.get("run"))
