"""Nothing is left behind by viewers that come and go: no greenlet, thread, process, descriptor, viewer or run."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.clients import Connection, request_bytes, wait_until
from tests.servers import Server, flask_run, gunicorn, processes, pywsgi

if TYPE_CHECKING:
    from tests.conftest import Certificate

APP = "tests.apps.stopping:app"
ENV = {"HEADWAY_MAX_RUNS": "1000", "HEADWAY_MAX_RUNS_PER_CLIENT": "1000", "NOTES_FOLDER": "/nowhere"}

SERVERS = {
    "gevent": lambda _: gunicorn(APP, env=ENV),
    "gevent_pywsgi": lambda _: gunicorn(APP, env=ENV, worker_class="gevent_pywsgi"),
    "gevent-tls": lambda certificate: gunicorn(
        APP, env=ENV, certfile=certificate.certfile, keyfile=certificate.keyfile
    ),
    "pywsgi-unpatched": lambda _: pywsgi(APP, env=ENV, patched=False),
    "flask-run": lambda _: flask_run(APP, env=ENV),
}
