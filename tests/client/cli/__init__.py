"""Tests of `streaming/client/cli`."""
