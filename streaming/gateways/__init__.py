"""Another service's event stream as an operation, or as an answer."""
