"""Tests of the form that `extract` fills in."""
