"""Serves an application with gevent's own WSGI server: `python -m tests.apps.pywsgi APP --port PORT [--patched]`."""

from __future__ import annotations

import sys

if "--patched" in sys.argv:  # before anything else is imported
    from gevent import monkey

    monkey.patch_all()

import argparse
import importlib
import signal
from typing import Any

import gevent
from gevent.pywsgi import WSGIServer


def main() -> None:
    """Serve until SIGTERM."""
    arguments = parse_arguments()
    tls = {"certfile": arguments.certfile, "keyfile": arguments.keyfile} if arguments.certfile else {}
    server = WSGIServer(("127.0.0.1", arguments.port), load(arguments.app), log=None, **tls)
    gevent.signal_handler(signal.SIGTERM, server.stop, 5)
    server.serve_forever()


def parse_arguments() -> argparse.Namespace:
    """The command line of the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", help="module:name, or module:factory()")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certfile")
    parser.add_argument("--keyfile")
    parser.add_argument("--patched", action="store_true")
    return parser.parse_args()


def load(app: str) -> Any:
    """The WSGI application that a string names."""
    module, _, name = app.partition(":")
    application = getattr(importlib.import_module(module), name.removesuffix("()"))
    return application() if name.endswith("()") else application


if __name__ == "__main__":
    main()
