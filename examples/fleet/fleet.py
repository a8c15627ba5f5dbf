"""Web workers hold the connections, Celery workers do the work, Redis keeps the runs: `make fleet` starts it all.

By hand, each line in a terminal of its own, in this folder:

    redis-server
    export HEADWAY_STORE=redis://127.0.0.1:6379/0 HEADWAY_CELERY_BROKER=redis://127.0.0.1:6379/1
    gunicorn -k gevent -w 2 fleet:app
    celery -A fleet worker -P gevent
"""

import os
import time

from flask import Flask
from pydantic import BaseModel, Field

from streaming import Events, Headway, checkpoint, current_run, operation, progress

WORKER = os.environ.get("FLEET_WORKER", f"process {os.getpid()}")


class Pages(BaseModel):
    """How many pages to read."""

    pages: int = Field(20, ge=1, le=1000)


@operation(runs_in="celery", retries=5, linger=None)
def read(input: Pages) -> Events:
    """Reads pages, one a second. Where its worker dies, another one goes on at the same page."""
    for page in range((current_run().checkpoint or 0) + 1, input.pages + 1):
        time.sleep(1)
        yield progress(f"Page {page}, {WORKER}", done=page, total=input.pages, unit="pages")
        yield checkpoint(page)
    return {"pages": input.pages}


app = Flask(__name__)
Headway(app, operations=[read], console=True)
