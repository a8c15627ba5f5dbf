"""The wheel: it holds the library with the console and the TypeScript client, and works where nothing else is."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, PathDistribution, distribution
from pathlib import Path
from venv import EnvBuilder

import pytest
from packaging.requirements import Requirement

import streaming
from streaming.__main__ import main
from streaming.extras import EXTRAS
from tests.servers import program, scratch
from tests.test_layers import closure, is_needed

ROOT = Path(__file__).resolve().parent.parent
ESBUILD = ROOT / "node_modules/esbuild/bin/esbuild"

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ENTRY = """
import {createClient} from '@headway/client'
import {useRun} from '@headway/client/react'
import {createRunStore} from '@headway/client/store'
import {createTestService} from '@headway/client/testing'
import {uploadFetch} from '@headway/client/upload'

const count = (run, {pages}) => [run.partial('one', pages), typeof useRun, typeof uploadFetch, typeof createRunStore]
const service = createTestService({count})
const client = createClient({url: 'http://service.test', fetch: service.fetch})
client.startRun('count', {pages: 3}).result.then((result) => console.log(JSON.stringify(result)))
"""
PRINTED = '[3,"function","function","function"]'

JEST = """
const {createClient} = require('@headway/client')
const {useRun} = require('@headway/client/react')
const {createTestService} = require('@headway/client/testing')

test('a scripted run', async () => {
  const service = createTestService({count: (run, {pages}) => pages})
  const client = createClient({url: 'http://service.test', fetch: service.fetch})
  expect(await client.startRun('count', {pages: 3}).result).toBe(3)
  expect(typeof useRun).toBe('function')
})
"""
TYPED = """
import {startRun} from '@headway/client'
import {useRun} from '@headway/client/react'
interface Count { input: {pages: number}; result: number }
const pages: Promise<number> = startRun<Count>('/operations/count', {pages: 3}).result
export const status = (): string => useRun('/operations/count').status
void pages
"""

OTHERS = ("jest@30", "parcel@2", "webpack@5", "webpack-cli@6", "typescript@5.9", "@types/react@19", "react@19")
"""Some 200 MB, for the long form."""


def run(*command: object, cwd: Path, **variables: str) -> str:
    """The output of a program; a failure shows all of it."""
    env = {**os.environ, "NO_COLOR": "1", **variables}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel() -> Iterator[Path]:
    """The content of the wheel of this checkout."""
    with scratch() as folder:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
        (built,) = folder.glob("*.whl")
        with zipfile.ZipFile(built) as file:
            file.extractall(folder / "site-packages")
        yield folder / "site-packages"


@pytest.fixture
def home(wheel: Path) -> Iterator[Path]:
    """A project that has installed the client by the command of the client's README, and what the client stands on."""
    readme = (ROOT / "clients/typescript/README.md").read_text()
    code = re.search(r"python -c '([^']+)'", readme)
    assert code, "the README says how to install the client from a wheel"
    with scratch() as folder:
        (folder / "package.json").write_text('{"private": true}')
        (folder / "entry.mjs").write_text(ENTRY)
        tarball = run(sys.executable, "-c", code[1], cwd=folder, PYTHONPATH=str(wheel))
        assert Path(tarball).is_file(), "`make setup` builds it"
        run(program("npm"), "install", "--offline", "--no-audit", "--no-fund", tarball, cwd=folder)
        (folder / "node_modules/react").symlink_to(ROOT / "node_modules/react")
        yield folder


def test_it_brings_the_client(home: Path, long: bool) -> None:
    """Node.js imports and requires it, and esbuild bundles it; others, which have to be installed, in the long form."""
    assert run(program("node"), "entry.mjs", cwd=home) == PRINTED
    run(ESBUILD, "entry.mjs", "--bundle", "--format=cjs", "--outfile=bundle.cjs", cwd=home)
    assert run(program("node"), "bundle.cjs", cwd=home) == PRINTED
    required = "console.log(typeof require('@headway/client').startRun, typeof require('@headway/client/react').useRun)"
    assert run(program("node"), "-e", required, cwd=home) == "function function"
    if long:
        others_take_it(home)


def others_take_it(home: Path) -> None:
    """Stock Jest, webpack, Parcel and `moduleResolution: node10` take the client of the wheel."""
    (home / "node_modules/react").unlink()
    run(program("npm"), "install", "--no-audit", "--no-fund", *OTHERS, cwd=home)
    npx = [program("npm"), "exec", "--offline", "--"]
    (home / "client.test.js").write_text(JEST)
    run(*npx, "jest", cwd=home)
    run(
        *npx, "webpack", "--entry", "./entry.mjs", "--mode", "production", "--target", "node", "-o", "webpack", cwd=home
    )
    assert run(program("node"), "webpack/main.js", cwd=home) == PRINTED
    run(*npx, "parcel", "build", "entry.mjs", "--dist-dir", "parcel", "--no-source-maps", cwd=home)
    (bundled,) = (home / "parcel").glob("*.js")
    assert run(program("node"), bundled, cwd=home) == PRINTED
    (home / "page.ts").write_text(TYPED)
    old = ["--module", "commonjs", "--moduleResolution", "node10", "--target", "es2022", "--lib", "es2022,dom"]
    run(*npx, "tsc", "--noEmit", "--strict", "--skipLibCheck", *old, "page.ts", cwd=home)


def test_it_holds_the_library_alone(wheel: Path) -> None:
    """The service, the tests and the sources of the console are the repository."""
    assert sorted(path.name for path in wheel.iterdir()) == [f"headway-{streaming.__version__}.dist-info", "streaming"]


def test_it_brings_the_console(wheel: Path) -> None:
    """The page and its files are there."""
    console = wheel / "streaming/static/console"
    named = re.findall(r'(?:src|href)="\./([^"]+)"', (console / "index.html").read_text())
    assert len(named) >= 3
    assert all((console / name).is_file() for name in named)


def test_it_brings_what_pages_take(wheel: Path) -> None:
    """The module of `/headway/client.js`, and the templates of the views."""
    module = (wheel / "streaming/static/client.js").read_text()
    assert re.search(r"export\{.*\bas createRunStore\b.*\bas startRun\b", module)
    assert (wheel / "streaming/http/views/templates/headway/progress.html").is_file()


def test_its_metadata(wheel: Path) -> None:
    """The version is that of the package, every supported Python is named, and no extra is one of the repository's."""
    stated = metadata_of(wheel)
    assert stated["Version"] == streaming.__version__
    assert "Programming Language :: Python :: 3.14" in stated.get_all("Classifier", [])
    assert stated.get_all("Project-URL")
    assert sorted(stated.get_all("Provides-Extra", [])) == sorted(EXTRAS)


@pytest.fixture(scope="module")
def bare(wheel: Path) -> Iterator[Path]:
    """Python in an empty environment: the wheel, its required packages, and nothing else that is installed here."""
    needed = [Requirement(line) for line in metadata_of(wheel).get_all("Requires-Dist", [])]
    required = closure(tuple(each.name for each in needed if is_needed(each)))
    with scratch() as folder:
        EnvBuilder(with_pip=False).create(folder)
        (site_packages,) = folder.glob("lib/*/site-packages")
        for name in required:
            for file in distribution(name).files or ():
                if file.parts[0] not in ("..", "__pycache__") and not (site_packages / file.parts[0]).exists():
                    (site_packages / file.parts[0]).symlink_to(str(distribution(name).locate_file(file.parts[0])))
        for package in wheel.iterdir():
            (site_packages / package.name).symlink_to(package)
        yield folder / "bin/python"


EMBEDDED = """
import importlib.util, gevent, readme
from streaming import Headway, ask, operation
assert not any(map(importlib.util.find_spec, ("httpx", "prometheus_client", "operations", "console", "gunicorn")))

@operation
def confirm():
    return (yield ask("Keep it?", schema={"type": "boolean"}))

Headway(readme.app, operations=[confirm], console=True, url_prefix="/watch", name="watch")
client = readme.app.test_client()
page = client.get("/watch/")
assert (page.status_code, "<script" in page.text) == (200, True), page.text

def after(url, *statuses):
    while (run := client.get(url).json)["status"] in statuses:
        gevent.sleep(0.01)
    return run

def start(path):
    return client.post(path, headers={"Prefer": "respond-async"}).headers["Location"]

url = start("/watch/operations/confirm")
question = after(url, "running")["question"]["question"]
refused = client.post(f"{url}/answer", json={"question": question, "answer": "yes"})
assert refused.json["code"] == "invalid_answer", refused.text
client.post(f"{url}/answer", json={"question": question, "answer": True})
print([after(each, "running", "waiting")["result"] for each in (url, start("/operations/count"))])
"""


def test_it_serves_in_an_empty_environment(bare: Path, tmp_path: Path) -> None:
    """It runs the README's operation and one that asks, whose answer is checked; the console is there too."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "readme.py").write_text(code.replace("time.sleep(1)", "time.sleep(0)"))
    assert run(bare, "-c", EMBEDDED, cwd=tmp_path) == "[True, {'pages': 3}]"


APP = "app = flask.Flask('a')\nstreaming.Headway(app)\n"
NEEDED = {
    "import streaming.client": ("streaming.client", ["anyio", "httpx"], "client"),
    "from streaming import save_events": ("saving", ["sqlalchemy"], "sql"),
    "streaming.gateway('http://x.test/a')": ("a gateway", ["httpcore", "httptools", "httpx"], "gateway"),
    "app = flask.Flask('a')\nwith app.test_request_context(): streaming.relay('http://x.test/a')": (
        *("a relay", ["httpcore", "httptools", "httpx"], "gateway"),
    ),
    "streaming.Headway(flask.Flask('a'), store='redis://127.0.0.1:1/0')": (
        *("HEADWAY_STORE is in Redis, which", ["redis"], "redis"),
    ),
    APP + "exit(app.test_client().get('/metrics').json['detail'])": (
        *("this route", ["prometheus-client"], "metrics"),
    ),
    APP + "exit(app.test_cli_runner().invoke(args=['headway']).output.strip())": (
        *("Error: the command line", ["anyio", "httpx", "rich"], "cli"),
    ),
    "from streaming.__main__ import main\nmain()": ("headway: the command line", ["anyio", "httpx", "rich"], "cli"),
}
"""What needs an extra: what it is called, the packages that are missing, and the extra."""

TRIED = """
import contextlib, io, json, sys
import flask, streaming
for code in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try:
            exec(code, globals())
        except (Exception, SystemExit) as error:
            said = stderr.getvalue().strip() or str(error)
    print(json.dumps(said))
"""


def test_a_missing_extra_is_one_line(bare: Path, tmp_path: Path) -> None:
    """It names the package, the extra and the command, which names packages that registries have."""
    codes = json.dumps(list(NEEDED))
    done = subprocess.run([bare, "-c", TRIED], input=codes, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (name, packages, extra), line in zip(NEEDED.values(), map(json.loads, done.stdout.splitlines()), strict=True):
        said, _, command = line.partition(": pip install ")
        assert said == f"{name} needs {' and '.join(packages)}, of Headway's extra `{extra}`"
        assert shlex.split(command) == list(EXTRAS[extra])


def test_the_command_is_an_entry_point(wheel: Path) -> None:
    """`headway` is `python -m streaming`."""
    (entry,) = PathDistribution(next(wheel.glob("*.dist-info"))).entry_points
    assert (entry.group, entry.name, entry.load()) == ("console_scripts", "headway", main)


def metadata_of(wheel: Path) -> PackageMetadata:
    """What the wheel says of itself."""
    return PathDistribution(next(wheel.glob("*.dist-info"))).metadata
