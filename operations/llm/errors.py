"""The errors of a model, the same for all operations: the SDK's errors become `OperationError`s here.

    model_missing             no model is installed, and the settings name none
    model_away                the server cannot be reached, failed, or closed the connection    retryable
    model_busy                the server accepts no requests for now (429)                      retryable
    model_too_slow            the server was silent for too long                                retryable
    model_context_too_small   the prompt and the answer do not fit into the context
    model_refused             the server refused the key, the model's name or the request, or the model to answer
    model_unfit               the answer does not have the requested form

A server's error may contain names of accounts and parts of keys: its text goes to the log, not to viewers.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from streaming import OperationError, Outage, certificate_problem

if TYPE_CHECKING:
    import openai

log = logging.getLogger("headway")

_CONTEXT: Final = re.compile(
    r"context.{0,20}(length|size|window|exceed)|exceed.{0,20}context|maximum.{0,20}(context|tokens)|"
    r"(prompt|input).{0,20}too long|too many (input )?tokens",
    re.IGNORECASE,
)
"""OpenAI: `context_length_exceeded`; llama.cpp: `exceed_context_size_error`; others use a sentence."""
MAX_TEXT: Final = 4_000
"""Characters of a server's error that are looked at."""
_BUSY: Final = 429
_TRANSIENT: Final = (408, 409, 425, 500, 502, 503, 504, 529)


class PromptCutError(OperationError):
    """The server has cut the prompt without an error, so that its answer is to another question."""

    def __init__(self) -> None:
        super().__init__("model_context_too_small", "The model's server has read only a part of the text.")


def server() -> Outage:
    """Whether the model's server is away, for the log."""
    return Outage.of("the model's server")


def missing(message: str) -> OperationError:
    """There is no model; the message says what is missing and how to get it."""
    return OperationError("model_missing", message)


def away(message: str = "The model's server cannot be reached.") -> OperationError:
    """The model does not answer now, but may later."""
    return OperationError("model_away", message, retryable=True)


def unfit(message: str) -> OperationError:
    """The answer does not have the requested form."""
    return OperationError("model_unfit", message)


def refused(message: str) -> OperationError:
    """The model or its server refused the request."""
    return OperationError("model_refused", message)


def from_sdk(error: openai.APIError) -> OperationError:
    """The error for viewers; the SDK's own goes to the log."""
    import openai

    # A server may quote the prompt in its message.
    message = str(error) if isinstance(error, openai.APIConnectionError) else f"{_status(error)} {error.code or ''}"
    line = f"{type(error).__name__}: {message[:100]}"
    if isinstance(error, openai.APIConnectionError) or _status(error) in _TRANSIENT:
        server().gone(line)
    else:
        log.warning("the model's server: %s", line)
    log.debug("the model's server: %s", error)
    if isinstance(error, openai.APITimeoutError) and type(error.__cause__).__name__ != "ConnectTimeout":
        return OperationError("model_too_slow", "The model's server was silent for too long.", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        if lasting := _lasting_problem(error):
            return OperationError("model_away", lasting)
        return away("The model's server cannot be reached, or closed the connection.")
    if is_about_context(error):
        return OperationError("model_context_too_small", "The text is longer than the model's context.")
    return _by_status(_status(error))


def is_transient(error: BaseException) -> bool:
    """Whether the server did not accept the request, but may if it is sent again."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return (error.status_code == _BUSY and error.code != "insufficient_quota") or error.status_code in _TRANSIENT
    if isinstance(error, openai.APITimeoutError) or _lasting_problem(error):
        return False
    return isinstance(error, openai.APIConnectionError)


def _lasting_problem(error: BaseException) -> str | None:
    """What keeps the server from being reached until somebody changes something; `None` if it is nothing like that."""
    if problem := certificate_problem(error):
        return f"The certificate of the model's server {problem}."
    if type(error.__cause__).__name__ == "ProxyError" and str(error.__cause__).startswith("4"):
        return f"The proxy does not connect to the model's server ({str(error.__cause__)[:3]})."
    return None


def is_about_context(error: openai.APIError) -> bool:
    """Whether the prompt and the answer do not fit into the model's context."""
    return bool(_CONTEXT.search(f"{error.code} {error.type} {text_of(error)}"))


def text_of(error: openai.APIError) -> str:
    """What the server says, for decisions; plain text too, which the SDK's message leaves out."""
    return f"{error.message} {str(error.body or '')[:MAX_TEXT]}"


def _status(error: openai.APIError) -> int:
    """The HTTP status, or the code of an error inside a stream; 0 if there is none."""
    status = getattr(error, "status_code", None) or error.code
    return int(str(status)) if str(status).isdecimal() else 0


def _by_status(status: int) -> OperationError:
    if status == _BUSY:
        return OperationError("model_busy", "The model's server accepts no requests for now (429).", retryable=True)
    if status in (401, 403):
        return refused(f"The model's server does not accept this service's key ({status}).")
    if status == 404:
        return refused("The model's server does not know this model or URL (404).")
    if status in _TRANSIENT or not 400 <= status < 500:
        return away(f"The model's server failed ({status})." if status else "The model's server failed.")
    return refused(f"The model's server refused the request ({status}).")
