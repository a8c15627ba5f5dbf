"""The command line of `streaming.client`: the commands of `python -m streaming` and of `flask headway`."""
