"""A fleet of real processes, faults in it by a schedule with a seed, and the verdict on what became of its runs.

- `schedule`: which fault comes when.
- `members`: the processes, and what is done to them.
- `partition`: the way between two of them, which can be closed.
- `witness`: viewers that come back.
- `verdict`: what the records of effects and the event logs amount to.

The application is `tests.apps.fleet`.
"""
