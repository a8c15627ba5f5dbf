"""A module that only one process can import, the first that tries: no fork server and no child can."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from streaming import Event, operation, progress

if os.environ.setdefault("TESTS_AT_HOME", str(os.getpid())) != str(os.getpid()):
    sys.exit("a secret of the server's")


@operation(runs_in="process")
def homebound() -> Iterator[Event]:
    """Never starts."""
    yield progress("never sent")
