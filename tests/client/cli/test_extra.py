"""What the extra `cli` brings, and what is there without it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.servers import ROOT, environment

LOADED: Final = """
import sys
from importlib import metadata
metadata.entry_points = lambda **_: []  # commands of other extensions, which may load these packages themselves
sys.argv = ["flask", "--app", "tests.apps.durable", *{arguments}]
sys.modules.update(dict.fromkeys({barred}))
from flask.cli import main
try:
    main()
finally:
    print(sorted({{"httpx", "anyio", "rich", "streaming.client"}} & {{name for name, at in sys.modules.items() if at}}))
"""


@pytest.mark.parametrize(("barred", "code"), [([], 0), (["httpx"], 2), (["rich"], 2)])
def test_what_the_extra_brings_is_loaded_when_it_is_used(barred: list[str], code: int) -> None:
    """`flask --help` lists the command without it; the command says in one line what to install."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = LOADED.format(arguments=arguments, barred=barred)
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment(None))

    helped = run("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "headway" in helped.stdout
    assert json.loads(helped.stdout.splitlines()[-1]) == []
    used = run("headway", "--help")
    assert used.returncode == code
    if barred:
        assert used.stderr.startswith(
            f"Error: the command line needs {barred[0]}, of Headway's extra `cli`: pip install "
        )
