"""Bytes and values: events, frames, the grammar of a run. No socket, no thread, no Flask, no gevent."""
