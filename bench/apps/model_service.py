"""The service behind relays and gateways: a stream of chat completions, one event a write, `rate` a second, for ever.

python -m bench.apps.model_service PORT RATE
"""

import json
import sys
from typing import Any

import gevent
from gevent.server import StreamServer

from bench.workloads import HOST, pace, sent

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(number: int) -> bytes:
    """One piece of a reply as OpenAI sends it, about 190 bytes, in a chunk."""
    choice = {"index": 0, "delta": {"content": f" {sent()}"}, "finish_reason": None}
    chunk = {"id": "chatcmpl-C1", "object": "chat.completion.chunk", "created": 1763890200, "model": "m", "n": number}
    frame = b"data: %b\n\n" % json.dumps({**chunk, "choices": [choice]}).encode()
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def serve(sock: Any, rate: float) -> None:
    """Answers one connection, whatever it asks for."""
    try:
        sock.recv(65536)
        sock.sendall(HEAD)
        for number, wait in pace(rate):
            if wait:
                gevent.sleep(wait)
            sock.sendall(event(number))
    except OSError:
        sock.close()


if __name__ == "__main__":
    port, rate = int(sys.argv[1]), float(sys.argv[2])
    StreamServer((HOST, port), lambda sock, _: serve(sock, rate), backlog=1024).serve_forever()
