"""`python -m streaming`: the command line of `streaming.client`. Needs the extra `cli` (httpx, click, rich)."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from .client.cli.commands import main
    except ModuleNotFoundError as error:
        sys.stderr.write(f"headway: the command line needs {error.name}: pip install 'headway[cli]'\n")
        sys.exit(2)
    main()
