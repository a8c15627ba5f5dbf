"""The wheel: it brings the built TypeScript client and the console, and what builds front ends takes that client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import program, scratch

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


def test_it_brings_the_console(wheel: Path) -> None:
    """The page and its files are there, and none of its sources."""
    page = (wheel / "console/dist/index.html").read_text()
    named = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert len(named) >= 3
    assert all((wheel / "console/dist" / name).is_file() for name in named)
    assert sorted(path.name for path in (wheel / "console").iterdir()) == ["__init__.py", "dist"]


def test_it_brings_what_pages_take(wheel: Path) -> None:
    """The module of `/headway/client.js`, and the templates of the views."""
    module = (wheel / "streaming/static/client.js").read_text()
    assert re.search(r"export\{.*\bas createRunStore\b.*\bas startRun\b", module)
    assert (wheel / "streaming/http/views/templates/headway/progress.html").is_file()
