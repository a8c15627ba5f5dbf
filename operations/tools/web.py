"""HTTP for tools: only to allowed hosts (`operations.hosts`), with limits on the time and size of an answer.

The allowed hosts are `HEADWAY_AGENT_HOSTS`, by default those of the tools; those that may have private addresses are
`HEADWAY_AGENT_PRIVATE_HOSTS`. After a transient failure, a request that is safe to repeat is sent again, with growing
pauses.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import stamina

from streaming import parse_retry_after

from ..hosts import SAFE, AllowedHosts, HostError, Request, answer_to, body_of
from ..settings import settings
from .base import ToolError

USER_AGENT: Final = f"httpx/{httpx.__version__}"
MAX_BYTES: Final = 1 << 20
"""Bytes of an answer. The model sees far less; a tool may select from this."""
MAX_REDIRECTS: Final = 3
ATTEMPTS: Final = 3
MAX_WAIT: Final = 5.0
"""Seconds between two attempts; if a host requires more (`Retry-After`), there is no other attempt."""
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another attempt may not get."""
MAX_REASON: Final = 200
"""Characters of a host's own error message."""
CODES: Final = {"wrong_url": "host_not_allowed", "compressed": "not_json"}
"""What the model is told for codes of `HostError`; the others keep their names."""


class TransientError(ToolError):
    """A failure that may not last; `after` is how many seconds to wait before another attempt, if the host says so."""

    def __init__(self, code: str, message: str, after: float | None = None) -> None:
        super().__init__(code, message)
        self.after = after


@dataclass(frozen=True)
class Answer:
    """The answer of a host."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The body, decoded; raises `ToolError` with `not_json`."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ToolError("not_json", "The answer of the host is not JSON.") from error

    def content(self) -> Any:
        """The body, decoded if its type is JSON, else as text; the status if there is no body."""
        if not self.body:
            return {"status": self.status}
        return self.json() if "json" in self.content_type else self.body.decode(errors="replace")


@dataclass(frozen=True)
class Web:
    """HTTP for the calls of one run, to its allowed hosts. Can be used from several threads."""

    allowed: AllowedHosts

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline: float,
    ) -> Answer:
        """The answer to a request, which is repeated if that is safe and may help.

        `body` becomes JSON. `deadline` is a time of `time.monotonic()`. Raises `ToolError`, also for a status from 400.
        """
        try:
            parsed = httpx.URL(url)
            parsed = parsed.copy_merge_params(_without_none(params)) if params else parsed
        except httpx.InvalidURL as error:
            raise ToolError("invalid_arguments", "The arguments do not make a URL.") from error
        content = None if body is None else json.dumps(body).encode()
        request = Request(method.upper(), parsed, _headers(content), headers or {}, content)
        attempts = ATTEMPTS if request.method in SAFE else 1
        left = max(deadline - time.monotonic(), 0.001)
        for attempt in stamina.retry_context(
            _retry_after, attempts=attempts, timeout=left, wait_initial=0.2, wait_max=MAX_WAIT, wait_jitter=0.2
        ):
            with attempt:
                return self._attempt(request, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, request: Request, deadline: float) -> Answer:
        try:
            with answer_to(request, self.allowed, MAX_REDIRECTS, deadline) as response:
                body = b"".join(body_of(response, MAX_BYTES, deadline))
        except HostError as error:
            kind = TransientError if error.transient else ToolError
            raise kind(CODES.get(error.code, error.code), error.message) from error
        return _check_status(response, body)


def segment(name: str, value: Any) -> str:
    """A value as one segment of a URL's path. Raises `ToolError` for one that would lead to another path.

    An empty one does, too: `/orders/{id}` would be all orders.
    """
    text = "" if value is None else str(value)
    if text.strip() in ("", ".", ".."):
        raise ToolError("invalid_arguments", f"{name} cannot be {text[:20]!r}: it is a part of an address")
    return quote(text, safe="")


def _headers(content: bytes | None) -> dict[str, str]:
    contact = settings().agent_contact  # some hosts require one (Wikimedia's User-Agent policy)
    return {
        "Accept": "application/json, text/*;q=0.5",
        "User-Agent": f"headway ({contact}) {USER_AGENT}" if contact else f"headway {USER_AGENT}",
        **({} if content is None else {"Content-Type": "application/json"}),
    }


def _without_none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _check_status(response: httpx.Response, body: bytes) -> Answer:
    """The answer; raises the error for its status."""
    status = response.status_code
    answer = Answer(status, response.headers.get("content-type", ""), body)
    if status < 400:
        return answer
    message = f"{response.request.headers['host'][:100]} answered {status}{_reason(answer)}."
    if status in TRANSIENT:
        after = parse_retry_after(response.headers.get("retry-after", ""), time.time())
        raise TransientError(f"http_{status}", message, after)
    raise ToolError(f"http_{status}", message)


def _reason(answer: Answer) -> str:
    """The host's own error message, from one of the usual keys."""
    try:
        error = json.loads(answer.body)
    except ValueError:
        return ""
    keys = ("reason", "message", "detail", "title", "error") if isinstance(error, dict) else ()
    message = next((error[key] for key in keys if isinstance(error.get(key), str) and error[key]), "")
    return f": {' '.join(message.split())[:MAX_REASON]}".rstrip(".") if message else ""


def _retry_after(error: Exception) -> bool | float:
    if not isinstance(error, TransientError):
        return False
    if error.after is None:
        return True
    return error.after if error.after <= MAX_WAIT else False
