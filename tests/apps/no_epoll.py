"""The application `stopping` as it is on a system without epoll, such as macOS."""

from __future__ import annotations

import importlib
import select

from gevent import monkey

if hasattr(select, "epoll"):
    del select.epoll
vars(monkey)["saved"].get("select", {}).pop("epoll", None)  # where gevent keeps what it replaces

app = importlib.import_module("tests.apps.stopping").app
