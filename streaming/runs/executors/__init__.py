"""Executors: where operations run. Each is one `Work` class (`base`); `start` picks it."""
