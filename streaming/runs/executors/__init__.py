"""Where operations run: a greenlet, a thread or a process. `base` has the interface."""
