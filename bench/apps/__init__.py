"""The applications under measurement: the workloads of `bench.workloads`, each in the idiom of one framework.

- `headway`: each workload as a plain `stream()`, at `/NAME`, and as a run, at `/operations/NAME`.
- `relay`: passes on the streams and runs of `headway`.
- `naive`: a Flask generator of f-strings, as written by hand.
- `sse_starlette`: an `EventSourceResponse` over an async generator.
- `fastapi_sse`: routes of FastAPI that yield `ServerSentEvent`.
- `node.mjs`, `go/main.go`: the same in Node and Go, as written by hand.
- `executors`: one operation in each executor of Headway.
"""
