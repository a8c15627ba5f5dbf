"""What every test has: two forms, figures, the logs of its servers when it fails, and a certificate when it asks."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from tests import servers
from tests.figures import Figures
from tests.worlds import PLACES, WORLDS, Place, World, entered

pytest_plugins = ["tests.tiers", "tests.outcomes"]


class Certificate(NamedTuple):
    """A certificate for localhost and 127.0.0.1, its key, and the authority that signed it, each a PEM file."""

    certfile: Path
    keyfile: Path
    authority: Path


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate made for this run of the tests."""
    folder = tmp_path_factory.mktemp("tls")
    files = Certificate(folder / "cert.pem", folder / "key.pem", folder / "authority.pem")
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(files.certfile)
    leaf.private_key_pem.write_to_path(files.keyfile)
    authority.cert_pem.write_to_path(files.authority)
    return files


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Each world in turn: with the hub in the thread of the requests, and beside it, as under `flask run`."""
    with entered(request.param) as world:
        yield world


@pytest.fixture(params=PLACES, ids=str)
def place(request: pytest.FixtureRequest) -> Place:
    """Each executor in each world."""
    place: Place = request.param
    return place


@pytest.fixture
def figures(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> Figures:
    """Takes what a test measures, for the table at the end."""
    return Figures(record_property, "".join(request.node.name.partition("[")[1:]))


def pytest_sessionstart() -> None:
    """Collects no garbage while tests are collected, which makes none: thousands of objects that all stay."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leaves what is there by now out of what the collector looks at, which took a fifth of the time of a run."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the logs of the servers under a test that fails."""
    report = yield
    if report.failed:
        for server in servers.recent:
            report.sections.append((f"{server.name} {server.url} (pid {server.pid})", tail(server.log())))
    # A worker of xdist sends its reports as UTF-8, and dies of a lone surrogate that a test has logged.
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


def pytest_runtest_logfinish() -> None:
    """Forgets the servers that ended with the test; those of wider fixtures run on."""
    servers.recent[:] = [server for server in servers.recent if server.running]


def tail(text: str, lines: int = 200) -> str:
    """The last lines of a log."""
    return "\n".join(text.splitlines()[-lines:])
