"""Tests of `streaming/runs`."""
