"""Tests of `operations/llm`."""
