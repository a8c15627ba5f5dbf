"""The store in an sqlite file."""
