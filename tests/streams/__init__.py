"""Streams that every client has to read; README.md says what is in the files."""
