"""The worker: its hub, its parts, and the watchdog for operations that block it."""
