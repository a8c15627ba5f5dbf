"""Tests of `streaming/protocol`."""
