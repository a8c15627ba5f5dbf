"""What the service's own processes do alike."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from operations.processes import NICE, try_lock
from tests.clients import wait_until
from tests.worlds import is_gone

LIMITED = """
import json, os, resource
from operations.processes import limit_process
limit_process({resource.RLIMIT_FSIZE: 1000})
limit_process()
print(json.dumps([
    os.nice(0),
    resource.getrlimit(resource.RLIMIT_CORE),
    resource.getrlimit(resource.RLIMIT_FSIZE),
    open("/proc/self/oom_score_adj").read(),
]))
"""

MORTAL = """
import os, subprocess, sys, time
parent = os.getpid()
if os.fork() == 0:
    from operations.processes import die_with
    die_with(parent)
    print(os.getpid(), flush=True)
    time.sleep(3600)
os.wait()
"""


def test_a_process_takes_its_place_behind_the_workers() -> None:
    """It has a low priority, which a second call does not lower more, the limits that it asked for, and no cores."""
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [max(os.nice(0), NICE), [0, 0], [1000, 1000], "500\n"]


def test_a_process_dies_with_its_parent() -> None:
    """It is killed when its parent is killed."""
    with subprocess.Popen([sys.executable, "-c", MORTAL], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        parent.kill()
    wait_until(lambda: is_gone(child), "the child is gone")


def test_a_small_process_stays_small() -> None:
    """The module needs nothing but the standard library."""
    code = """if True:
        import sys
        before = set(sys.modules)
        import operations.processes
        print(*(name for name, module in sys.modules.items() if name not in before and getattr(module, "__spec__", 0)))
    """  # without the empty module that keeps httpx's command line out
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.split(".")[0] for name in done.stdout.split()}
    assert roots <= {*sys.stdlib_module_names, "operations"}


def test_a_lock(tmp_path: Path) -> None:
    """An exclusive lock keeps all others away, a shared one those that are exclusive; a close releases it."""
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_CREAT | os.O_RDWR) for _ in range(2))
    assert try_lock(first, fcntl.LOCK_SH)
    assert try_lock(second, fcntl.LOCK_SH)
    assert not try_lock(first)
    os.close(second)
    assert try_lock(first)
    third = os.open(path, os.O_RDWR)
    assert not try_lock(third, fcntl.LOCK_SH)
    os.close(first)
    assert try_lock(third)
    os.close(third)
