"""What the extra `cli` brings, and what is there without it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from tests.servers import ROOT, environment

TYPED: Final = """
import contextlib, io, json, sys
from importlib import metadata
metadata.entry_points = lambda **_: []  # commands of other extensions, which may load these packages themselves
from flask.cli import main

def typed(barred, *arguments):
    sys.argv = ["flask", "--app", "tests.apps.durable", *arguments]
    sys.modules.update(dict.fromkeys(barred))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    loaded = sorted({"httpx", "anyio", "rich", "streaming.client"} & {name for name, at in sys.modules.items() if at})
    for name in barred:
        del sys.modules[name]
    print(json.dumps([code, out.getvalue(), err.getvalue(), loaded]))

typed([], "--help")
for barred in (["httpx"], ["rich"], []):
    typed(barred, "headway", "--help")
"""


def test_what_the_extra_brings_is_loaded_when_it_is_used() -> None:
    """`flask --help` lists the command without it; the command says in one line what to install."""
    done = subprocess.run(
        [sys.executable, "-c", TYPED], cwd=ROOT, capture_output=True, text=True, env=environment(None)
    )
    assert (done.returncode, done.stderr) == (0, "")
    helped, *refused, used = map(json.loads, done.stdout.splitlines())
    code, out, err, loaded = helped
    assert (code, err, loaded) == (0, "", [])
    assert "headway" in out
    for name, (code, _, err, _) in zip(("httpx", "rich"), refused, strict=True):
        assert code == 2
        assert err.startswith(f"Error: the command line needs {name}, of Headway's extra `cli`: pip install ")
        assert err.count("\n") == 1
    assert used[0] == 0
    assert used[3] == ["anyio", "httpx", "rich", "streaming.client"]
