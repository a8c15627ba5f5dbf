"""The tests. Whatever starts a real server, proxy, store or browser stands in `tests/live`."""
