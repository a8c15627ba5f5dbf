"""The command line over `streaming.client`, and `doctor`."""
