"""Serves an application with the standard library's WSGI server, which shows its socket to no application.

`python -m tests.apps.wsgiref APP --port PORT`
"""

from __future__ import annotations

import argparse
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

from tests.apps.pywsgi import load


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True


def main() -> None:
    """Serve for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", help="module:name, or module:factory()")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    make_server("127.0.0.1", arguments.port, load(arguments.app), ThreadingServer).serve_forever()


if __name__ == "__main__":
    main()
