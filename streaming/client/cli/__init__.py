"""The command line of `streaming.client`, with `doctor`."""
