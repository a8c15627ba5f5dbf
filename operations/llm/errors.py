"""What may go wrong with a model, told once for all operations: the SDK's errors become `OperationError`s here.

    model_missing             no model is installed here and none is set
    model_away                its server cannot be reached, failed, or broke off        retryable
    model_busy                its server takes no more for now (429)                    retryable
    model_too_slow            its server has not said a word for too long               retryable
    model_context_too_small   the prompt, or what was to be written, does not fit
    model_refused             it refused: the key, the model's name, the request, or what was asked
    model_unfit               what it answered is not what was asked for

What a server writes into its errors may hold names of accounts and parts of keys: that goes to the log, not to viewers.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from streaming import OperationError

if TYPE_CHECKING:
    import openai

log = logging.getLogger("headway")

_CONTEXT: Final = re.compile(
    r"context.{0,20}(length|size|window|exceed)|exceed.{0,20}context|maximum.{0,20}(context|tokens)|"
    r"(prompt|input).{0,20}too long|too many (input )?tokens",
    re.IGNORECASE,
)
"""OpenAI: `context_length_exceeded`; llama.cpp: `exceed_context_size_error`; others say it in a sentence."""
_BUSY: Final = 429
_AGAIN: Final = (408, 409, 425, 500, 502, 503, 504, 529)


def missing(why: str) -> OperationError:
    """No model is there to be asked; `why` is a sentence on what is missing and how it is had."""
    return OperationError("model_missing", why)


def away(why: str = "The model's server cannot be reached.") -> OperationError:
    """The model does not answer now, and may later."""
    return OperationError("model_away", why, retryable=True)


def unfit(why: str) -> OperationError:
    """The model answered something else than it was asked for."""
    return OperationError("model_unfit", why)


def refused(why: str) -> OperationError:
    """The model, or its server, does not do what it was asked for."""
    return OperationError("model_refused", why)


def told(error: openai.APIError) -> OperationError:
    """The error of the SDK as viewers see it."""
    import openai

    log.warning("the model's server: %s: %s", type(error).__name__, str(error)[:500])
    if isinstance(error, openai.APITimeoutError) and type(error.__cause__).__name__ != "ConnectTimeout":
        return OperationError("model_too_slow", "The model's server has been silent for too long.", retryable=True)
    if isinstance(error, openai.APIConnectionError):
        return away("The model's server cannot be reached, or broke off.")
    if _is_about_context(error):
        return OperationError("model_context_too_small", "The text is longer than the model's context.")
    return _by_status(_status(error))


def is_passing(error: BaseException) -> bool:
    """Whether the same request is worth another try at once: it was not taken, and that may pass."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return (error.status_code == _BUSY and error.code != "insufficient_quota") or error.status_code in _AGAIN
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _is_about_context(error: openai.APIError) -> bool:
    return bool(_CONTEXT.search(f"{error.code} {error.type} {error.message}"))


def _status(error: openai.APIError) -> int:
    """The HTTP status, or what an error in the middle of a stream calls its code; 0 where there is none."""
    status = getattr(error, "status_code", None) or error.code
    return int(str(status)) if str(status).isdecimal() else 0


def _by_status(status: int) -> OperationError:
    if status == _BUSY:
        return OperationError("model_busy", "The model's server takes no more for now (429).", retryable=True)
    if status in (401, 403):
        return refused(f"The model's server does not accept this service's key ({status}).")
    if status == 404:
        return refused("The model's server knows no such model, or no such address (404).")
    if status in _AGAIN or not 400 <= status < 500:
        return away(f"The model's server failed ({status})." if status else "The model's server failed.")
    return refused(f"The model's server refused the request ({status}).")
