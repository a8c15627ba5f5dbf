"""The project's own benchmarks: Headway beside a naive Flask generator and beside sse-starlette, in one run.

`python -m bench` measures everything and writes `docs/benchmarks.md`; `python -m bench --quick` prints a shorter table.

- `servers`: the applications under measurement, each in its framework's own idiom, and the process that serves one.
- `load`: the viewers; raw sockets in one epoll loop, much faster than any of the servers.
- `rows`: what is measured, row by row, and the goal of each figure.
- `report`: medians, ratios and the Markdown page.
"""
