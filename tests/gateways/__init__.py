"""Tests of `streaming/gateways`."""
