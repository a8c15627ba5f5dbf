"""The exit codes of the command line."""

from __future__ import annotations

import re

from streaming.client.cli.exit_codes import ExitCode
from tests.servers import ROOT


def test_the_documented_exit_codes() -> None:
    """The table of `docs/clients.md` has all of them, and no other."""
    table = (ROOT / "docs" / "clients.md").read_text().split("| exit code | |")[1].split("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(ExitCode)
