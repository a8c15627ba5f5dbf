"""What the unit tests of the client share."""

from __future__ import annotations

import pytest

from tests.client.service import Service


@pytest.fixture
def service() -> Service:
    """A service without a network."""
    return Service()
