"""How a command ends: with an exit code, and one line that says why.

what happens                                  exit code     the line
--------------------------------------------  ------------  -----------------------------------------------
the run failed, was cancelled                 1, 3          none: its events say so
the service refuses, is away; a cut           5, 6, 4       the refusal; after a cut, the command that goes on
a path that was typed cannot be used          2             the path, and why
the output is closed (`head`)                 130           none, as in any pipe
the output cannot be written (a full disk)    130           why
Ctrl-C                                        130           none
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper, UnsupportedOperation
from typing import Final

import click
from click.exceptions import Exit

from ..errors import ClientError, Interrupted, NotAStream, RequestRefused, RunCancelled, RunFailed, Unreachable
from .exit_codes import ExitCode
from .output import printable, say

CODES: Final[dict[type[ClientError], ExitCode]] = {
    RunFailed: ExitCode.FAILED,
    RunCancelled: ExitCode.CANCELLED,
    Unreachable: ExitCode.UNREACHABLE,
    RequestRefused: ExitCode.REFUSED,
    NotAStream: ExitCode.REFUSED,
}

WRITING: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Why an output cannot be written."""

REFUSALS: Final = {
    **dict.fromkeys(("too_many_runs", "too_many_streams", "too_many_answers", "store_full", "unavailable"), "is full"),
    "draining": "is stopping",
    "store_away": "cannot reach its store",
}
"""What a service does that refuses for a while, by the code of its refusal."""


@contextmanager
def guarded(ctx: click.Context | None = None) -> Iterator[None]:
    """Ends the command as the table above says. Raises `Exit`."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise Exit(ExitCode.LEFT) from None
    except ClientError as error:
        say(reason_of(error))
        if isinstance(error, RequestRefused) and error.status == 401 and ctx is not None and ctx.obj.key_withheld:
            say("HEADWAY_API_KEY is for the service of HEADWAY_URL; --key gives a key to another")
        if isinstance(error, Interrupted) and error.run and ctx is not None:
            verb = "result" if ctx.invoked_subcommand == "result" else "watch"
            say(f"to go on: {ctx.obj.going_on(ctx, verb, error.run, error.last_event_id)}")
        raise Exit(_code_of(error)) from None
    except UnicodeError as error:
        raise click.UsageError(f"a text cannot be sent: {printable(str(error))}") from None
    except OSError as error:
        if error.filename is None and error.errno not in WRITING and not isinstance(error, UnsupportedOperation):
            raise  # of an application in this process
        raise Exit(_end_output(error)) from None


def reason_of(error: ClientError) -> str:
    """What a person is told of an error; a refusal that will pass is told as one."""
    if not isinstance(error, RequestRefused) or not error.transient:
        return str(error)
    return f"the service {REFUSALS.get(error.code, 'refuses') if error.status == 503 else 'refuses'}: {error}"


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises `click.UsageError` for an argument that is no text; the name of a file need not be one."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            if not os.path.lexists(argument.removeprefix("@")):
                raise click.UsageError(f"an argument is not UTF-8: {printable(argument)}") from None


def prepare_streams() -> None:
    """Makes the standard streams usable: what was closed, and what cannot encode a character."""
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):  # a write to this stdout raises an `OSError`
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # for the rest of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.writable():
            stream.reconfigure(errors="replace")


def _code_of(error: ClientError) -> ExitCode:
    return next((code for kind, code in CODES.items() if isinstance(error, kind)), ExitCode.INTERRUPTED)


def _end_output(error: OSError) -> ExitCode:
    if error.filename is not None:
        say(f"{os.fsdecode(error.filename)}: {error.strerror}")
        return ExitCode.USAGE
    if not isinstance(error, BrokenPipeError):
        say(f"the output cannot be written: {error.strerror or error}")
    with suppress(OSError, ValueError):  # for what Python flushes at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.LEFT
