"""Tests of `streaming/client`."""
