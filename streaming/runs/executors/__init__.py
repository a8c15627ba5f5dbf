"""Executors: where operations run. Each is one module with an `Executor` (`base`); `start` has the table of them."""
