"""What maintainers of the repository run; nothing here is installed."""
