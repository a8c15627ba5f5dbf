"""Requests and responses, and the socket under them: the only floor with `flask.request`."""
