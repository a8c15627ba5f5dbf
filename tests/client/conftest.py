"""What the unit tests of the client share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio.from_thread
import httpx
import pytest

from streaming.client import Client
from tests.client.portal import PortalClient
from tests.client.service import URL, Service

ClientOf = Callable[..., Any]
"""Makes a client of a function that answers its requests; options are those of the client."""


@pytest.fixture
def service() -> Service:
    """A service without a network."""
    return Service()


@pytest.fixture(params=["blocking", "async"])
def client_of(request: pytest.FixtureRequest) -> Iterator[ClientOf]:
    """Makes a client without a network: the tests that use it run with both."""
    transport = httpx.MockTransport
    if request.param == "blocking":
        yield lambda answer, **options: Client(URL, http=httpx.Client(transport=transport(answer)), **options)
        return
    with anyio.from_thread.start_blocking_portal() as portal:
        yield lambda answer, **options: PortalClient(
            portal, URL, http=httpx.AsyncClient(transport=transport(answer)), **options
        )
