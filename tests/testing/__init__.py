"""Tests of what the library gives to tests."""
