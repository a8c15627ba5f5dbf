"""Where the client puts a file of a run: into memory, or to a path, whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def into(target: Path, /) -> Iterator[Callable[[bytes], object]]:
    """Gives what writes to a file beside `target`, which takes its place once the block has ended without an error."""
    part = target.parent / f".headway-{secrets.token_hex(8)}"
    try:
        with part.open("xb") as out:  # with the mode of any new file, which `tempfile` does not give
            yield out.write
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
