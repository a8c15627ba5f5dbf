"""What a worker process has once: its hub, and the watch over what blocks it."""
