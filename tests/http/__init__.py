"""Tests of `streaming/http`."""
