"""The exit codes of the command line; `docs/clients.md` says what each means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. 2 is the code that `click` uses, 130 the shell's for Ctrl-C."""

    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    INTERRUPTED = 4
    REFUSED = 5
    UNREACHABLE = 6
    LEFT = 130
