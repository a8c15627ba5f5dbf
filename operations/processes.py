"""What processes of the service do alike: take their place behind those that serve, and lock files.

Processes that stay small import this module, so it needs only the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
NICE: Final = 5
"""nice(2): the workers' streams go first."""
OOM_SCORE: Final = "500"


ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "MALLOC_ARENA_MAX")
"""The variables that a process with a stranger's file inherits: no keys, no URLs of stores, no proxies."""


def clean_environment() -> dict[str, str]:
    """The environment of a process with a stranger's file."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def python_command(module: str) -> list[str]:
    """The command that calls `main` of a module in a new process, with the modules of this one, by no variable."""
    program = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import main; main()"
    return [sys.executable, "-c", program, json.dumps([str(Path(part).resolve()) for part in sys.path])]


def limit_process(limits: Mapping[int, int] | None = None) -> None:
    """Gives this process a low priority and no core dumps, and makes it one of the first to be killed without memory.

    `limits` are more limits of setrlimit(2), by the constants of `resource`.
    """
    os.nice(max(NICE - os.nice(0), 0))  # not lower than its parent, which may have called this
    for what, most in {resource.RLIMIT_CORE: 0, **(limits or {})}.items():
        resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent dies (PR_SET_PDEATHSIG; prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def try_lock(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    """Locks a file (flock(2)), exclusively or with `LOCK_SH`; returns whether nobody else's lock was in the way."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
