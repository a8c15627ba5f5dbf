"""Analytics: SQL over the files of a run, in its own process.

    sources     the files and the names of their tables
    engine      starts the process, exchanges messages with it, and stops it
    child       the main loop of that process
    files       each kind of file as tables, and the warnings
    names       the names of tables
    database    DuckDB in that process, locked down
    values      DuckDB's values as JSON
    sql         quoting, and DuckDB's error messages
    charts      a chart of the rows, if their shape suggests one
    pictures    that chart as SVG or PNG
    drawing     the process that draws it
    queries     all of it as a plain function, for other operations (`run_sql`)

The process imports `child`, `database`, `files`, `names`, `values` and `sql`, which import nothing of the service.
"""
