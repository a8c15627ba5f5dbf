"""The operation over files of which something is to be told: its events, its result, and the agent's view of them."""

from __future__ import annotations

import time
from pathlib import Path

from operations.analytics.queries import run_sql
from operations.analyze import analyze
from operations.tools.data import describe
from tests.operations.declared import undeclared
from tests.operations.test_analyze import error_of, run, upload_of


def test_warnings_are_events_and_part_of_the_result(tmp_path: Path) -> None:
    """Each is an event as soon as its file is read, and all are in the result."""
    files = [
        upload_of(tmp_path, "a.csv", "x,y\n1,2\n3\n"),
        upload_of(tmp_path, "b.csv", "x;y\n1,5;Zürich\n".encode("cp1252")),
        upload_of(tmp_path, "c.csv", "x\n1\n"),
    ]
    events, result = run(sql="SELECT count(*) AS n FROM a", file=files)
    told = [event.data for event in events if event.name == "warning"]
    assert result["warnings"] == told
    assert told[0] == {
        "code": "rows_padded",
        "message": "a.csv: 1 row had too few fields: the last ones are empty.",
        "rows": [2],
    }
    assert [warning["code"] for warning in told[1:]] == ["encoding_guessed", "notation"]
    assert undeclared(analyze, [event for event in events if event.name != "warning"]) == []
    done = [event.data["done"] for event in events if event.data.get("step") == "load" and "done" in event.data]
    assert done == sorted(done)
    assert done[-1] == 3
    assert run(sql="SELECT 1")[1]["warnings"] == []


def test_other_operations_have_the_warnings(tmp_path: Path) -> None:
    """`run_sql` returns them, and the agent's model reads them below its tables."""
    file = upload_of(tmp_path, "a.csv", "x,y\n1,2\n3\n")
    assert [warning["code"] for warning in run_sql("FROM a", [file])["warnings"]] == ["rows_padded"]
    [table, warning], _ = describe([file])
    assert table == 'a(x BIGINT, y BIGINT): 2 rows, such as {"x": 1, "y": 2}'
    assert warning == "Warning: a.csv: 1 row had too few fields: the last ones are empty."


def test_a_file_is_refused_in_its_process(tmp_path: Path) -> None:
    """With the code and the message of the process, and no path of the server."""
    error = error_of(lambda: run_sql("FROM a", [upload_of(tmp_path, "a.csv", "<html><p>x</p></html>")]))
    assert (error.code, error.message) == ("not_a_table", "a.csv is an HTML page, and no table.")


def test_a_million_rows(tmp_path: Path, long: bool) -> None:
    """They are read, with types that all of them have, in a fraction of the time that a run has; fewer if not long."""
    rows = 1_150_000 if long else 50_000
    lines = "".join(
        f"{n},2024-01-{n % 28 + 1:02},name {n % 977},{n % 100_000 / 100:.2f},{n % 99_999:05}\n" for n in range(rows)
    )
    file = upload_of(tmp_path, "a.csv", f"id,day,name,amount,code\n{lines}00501,2024-01-01,last,12.75,1\n")
    start = time.monotonic()
    answer = run_sql("SELECT count(*) AS n, max(id) AS last FROM a", [file])
    assert time.monotonic() - start < 100
    assert answer["rows"][0]["n"] == rows + 1
    assert [column["type"] for column in answer["tables"][0]["columns"]] == [
        "VARCHAR",
        "DATE",
        "VARCHAR",
        "DOUBLE",
        "VARCHAR",
    ]
    assert [warning["rows"] for warning in answer["warnings"]] == [[rows + 1]]
