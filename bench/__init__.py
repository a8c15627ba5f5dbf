"""The project's own benchmarks: Headway beside a naive Flask generator and beside sse-starlette, in one run.

`python -m bench` measures everything and writes `docs/benchmarks.md`; `python -m bench --quick` prints a shorter table.

- `apps`: the applications under measurement, each in the idiom of its framework, over the same `workloads`.
- `servers`: the process that serves one of them.
- `load`: the viewers; raw sockets in one epoll loop, much faster than any of the servers.
- `measurements`: what is measured, and the goal of each figure.
- `csv_files`: real CSV files beside pandas and polars; `python -m bench.csv_files` writes `docs/csv.md`.
- `report`: medians, ratios and the Markdown page.

`python -m bench.documents` measures how well `extract` reads PDFs, and writes `docs/documents.md`.

- `corpus`: the documents and what is true of them, from packages of Debian.
- `icdar`: the score of tables, as in the competition of 2013.

`python -m bench.listing` measures `GET /runs` beside 20,000 finished runs, in every store.
`python -m bench.workers` measures two workers on one store: idle, and from an event on one to a viewer on the other.
`python -m bench.scale` measures what a viewer, a run and an event cost on each tier, and calculates the machines.
`python -m bench.sharing` measures how two workers share connections.
`python -m bench.stalled` measures a viewer that reads nothing of a run that never waits, and its neighbours.
"""
