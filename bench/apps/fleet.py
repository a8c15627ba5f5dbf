"""Some workloads as operations that run in the workers of Celery: what `bench.scale` serves and works on."""

import os
from collections.abc import Iterator
from typing import Any

from flask import Flask

from bench.apps.headway import Pages, countable_pages, items, quiet
from streaming import Headway, operation

app = Flask("fleet")
app.config.update(HEADWAY_MAX_STREAMS=20_000, HEADWAY_MAX_RUNS=20_000, HEADWAY_MAX_RUNS_PER_CLIENT=20_000)


def pages(input: Pages) -> Iterator[Any]:
    """That of `bench.apps.headway`."""
    yield from countable_pages(input)


Headway(app, operations=[operation(runs_in="celery")(work) for work in (pages, items, quiet)])


@app.get("/pid")
def pid() -> str:
    """The worker's process id."""
    return str(os.getpid())
