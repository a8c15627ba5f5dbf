"""Tests of `streaming/runtime`."""
