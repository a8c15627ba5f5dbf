"""Tests of `operations/tools`."""
