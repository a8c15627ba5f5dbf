"""Tests against real processes on loopback ports; `tests.servers` starts them, `tests.clients` talks to them."""
