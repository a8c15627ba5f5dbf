"""moto's S3, an HTTP server on a real socket, in threads of this process; a test makes it slow, refuse, or go away."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET: Final = "headway-test"
KEY: Final = "AKIATESTKEYTESTKEY"
SECRET: Final = "a-secret-that-no-log-has"  # of a server in this process

REFUSAL: Final = (
    "<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature does not match."
    f"</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId><StringToSign>{SECRET}</StringToSign></Error>"
).encode()

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class ObjectStore:
    """The server. `refuses` is what it answers with a 403, by method; `stalled` is set while it answers at all."""

    url: str
    variables: dict[str, str]
    requests: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    stalled: threading.Event = field(default_factory=threading.Event)

    def empty(self) -> None:
        """Deletes everything, and answers as usual again; the bucket is there."""
        self.refuses.clear()
        self.stalled.set()
        for method, path in (("POST", "/moto-api/reset"), ("PUT", f"/{BUCKET}")):
            self.ask(method, path)
        self.requests.clear()

    def ask(self, method: str, path: str) -> bytes:
        """An answer to a request that is not signed."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)  # of this test
        with urllib.request.urlopen(request) as answer:
            body: bytes = answer.read()
        return body

    @property
    def uploads(self) -> str:
        """The multipart uploads that are not completed, as XML."""
        return self.ask("GET", f"/{BUCKET}?uploads").decode()

    def answer(self, app: App, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """What a request gets."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if "HTTP_AUTHORIZATION" in environ:
            self.requests.append(f"{method} {path}?{environ['QUERY_STRING']}")
            self.stalled.wait()
            if method in self.refuses:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response("403 Forbidden", [("Content-Type", "application/xml")])
                return [REFUSAL]
        return app(environ, start_response)


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Serves a bucket, `BUCKET`; `variables` are the environment of those who use it."""
    app = DomainDispatcherApplication(create_backend_app)
    store = ObjectStore("", {})
    server: BaseWSGIServer = make_server(
        "127.0.0.1", 0, lambda environ, start: store.answer(app, environ, start), threaded=True
    )
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    store.variables = {
        "AWS_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-central-1",
    }
    store.empty()
    yield store
    store.stalled.set()
    server.shutdown()
    server.server_close()
    thread.join()
