"""Events, frames and the grammar of a run, as bytes and values: no socket, no thread, no Flask, no gevent."""
