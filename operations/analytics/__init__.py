"""Analytics: SQL over the files of a run, in a process of its own.

    sources     the files, and what their tables are called
    engine      the process, as the operation sees it: messages in and out, its limits, its end
    child       the same process from inside
    database    DuckDB in it, locked down
    values      DuckDB's values as JSON
    charts      a picture of an answer, where its shape suggests one
    queries     all of it as a plain function, for other operations (`run_sql`)

`child`, `database`, `values` and `wording` are what that process imports, and import nothing of the service.
"""
