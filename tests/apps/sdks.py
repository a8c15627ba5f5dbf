"""The operations of docs/guides/sdks.md, in each executor that the guide names for them."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

from flask import Flask

from streaming import Headway, Operation, operation


def variants(name: str) -> Iterator[Operation]:
    """The operations of a module, by names such as `openai-chat-thread`."""
    module: Any = importlib.import_module(f"sdk_{name}")
    for each in [value for value in vars(module).values() if isinstance(value, Operation)]:
        executors: Any = ("asyncio",) if each.is_async else ("greenlet", "thread", "process")
        for executor in executors:
            yield operation(name=f"{name}-{each.name}-{executor}", runs_in=executor)(each.fn)


app = Flask(__name__)
Headway(app, operations=[each for name in os.environ["SDKS"].split() for each in variants(name)])
