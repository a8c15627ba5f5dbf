"""`headway`, and `python -m streaming`: the command line of `streaming.client`. Needs the extra `cli`."""

from __future__ import annotations

import sys

from .extras import needs


def main() -> None:
    """Runs the command line; its exit code is 2 where the extra `cli` is missing."""
    try:
        with needs("cli", "the command line"):
            from .client.cli.commands import main as run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"headway: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
