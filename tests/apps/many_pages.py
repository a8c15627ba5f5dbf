"""`extract`, and `far`, a gateway to it at `UPSTREAM`; results are sent in events of at most `MOST` bytes."""

from __future__ import annotations

import os

from flask import Flask

from operations import long_results
from operations.extract import extract
from streaming import Headway, gateway

setattr(long_results, "MOST", int(os.environ.get("MOST", str(long_results.MOST))))  # noqa: B010  # it is final

app = Flask(__name__)
far = gateway(f"{os.environ.get('UPSTREAM', 'http://127.0.0.1:1')}/operations/extract", name="far")
Headway(app, operations=[extract, far], process_app="tests.apps.many_pages:app")
