"""`analyze` without a server: files, statements, values, limits, the lock, and questions put to a scripted model.

The database runs in its real process. What needs a service around it is in `tests/live/test_analyze_live.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import gevent
import orjson
import pytest
from pydantic import ValidationError

from operations import analyze as module
from operations.analytics import charts, child, engine, queries, values
from operations.analytics.engine import Engine
from operations.analytics.queries import describe, run_sql
from operations.analytics.sources import SAMPLE, sources, table_name
from operations.analytics.sql import identifier
from operations.analyze import Analysis, analyze
from streaming import Event, OperationError, Upload, partial, progress
from tests.clients import PATIENCE, wait_until

Rows = list[dict[str, Any]]
FOREVER = "SELECT count(*) FROM range(100000000000000) t WHERE hash(t.range) = 1"


@pytest.fixture(autouse=True, scope="module")
def own_queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Turns and temporary files that no other test has to do with."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def sample() -> Iterator[Engine]:
    """A database of the sample data, for tests that only ask it."""
    with Engine() as started:
        list(started.load(sources(SAMPLE)))
        yield started


def upload(path: Path, filename: str | None = None) -> Upload:
    """The file as it comes with a form."""
    return Upload(path, path.name if filename is None else filename, "application/octet-stream", path.stat().st_size)


def written(folder: Path, filename: str, content: str | bytes) -> Upload:
    """An upload of this content."""
    path = folder / str(len(list(folder.iterdir())))
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return upload(path, filename)


def asked(started: Engine, sql: str, limit: int = 1000, seconds: float = 30) -> Rows:
    """The rows of a statement."""
    return [row for message in started.ask(sql, limit, seconds) for row in message.get("rows", ())]


def one(started: Engine, expression: str) -> Any:
    """The value of an expression."""
    [row] = asked(started, f"SELECT {expression}")
    [value] = row.values()
    return value


def refusal(call: Callable[[], Any]) -> OperationError:
    """What a call is refused with."""
    with pytest.raises(OperationError) as refused:
        call()
    return refused.value


def performed(**options: Any) -> tuple[list[Event], dict[str, Any]]:
    """The events and the result of a run of the operation."""
    events: list[Event] = []
    work = analyze.fn(Analysis(**options))
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, orjson.loads(orjson.dumps(end.value))


def size(folder: Path) -> int:
    """The bytes of the files in a folder, some of which may just be going."""
    total = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def partials(events: Sequence[Event]) -> dict[str, Any]:
    """What came as `partial`s, by key."""
    return {event.data["key"]: event.data["value"] for event in events if event.name == "partial"}


# --- files -----------------------------------------------------------------------------------------------------------


def test_each_kind_of_file_is_a_table(tmp_path: Path) -> None:
    """CSV, JSON, lines of JSON and Parquet become tables named after them, the first also `data`."""
    parquet = tmp_path / "points.parquet"
    duckdb.execute(f"COPY (SELECT range AS x, range * 0.5 AS y FROM range(10)) TO '{parquet}'")
    files = [
        written(tmp_path, "sales 2024.csv", "region,amount\nNorth,10.5\nSouth,7\n"),
        written(tmp_path, "people.json", '[{"name": "Ada", "born": "1815-12-10"}]'),
        written(tmp_path, "log.jsonl", '{"n": 1}\n{"n": 2}\n'),
        upload(parquet),
    ]
    tables = describe(files)
    assert [(table["name"], table["file"], table["rows"]) for table in tables] == [
        ("sales_2024", "sales 2024.csv", 2),
        ("people", "people.json", 1),
        ("log", "log.jsonl", 2),
        ("points", "points.parquet", 10),
    ]
    assert tables[1]["columns"] == [{"name": "name", "type": "VARCHAR"}, {"name": "born", "type": "DATE"}]
    answer = run_sql("SELECT sum(d.amount) AS a, (SELECT sum(x) FROM points) AS b FROM data d", files)
    assert answer["rows"] == [{"a": 17.5, "b": 45}]


@pytest.mark.parametrize(
    ("filename", "table"),
    [
        ("orders.csv", "orders"),
        ("2024 sales-report.final.csv", "t_2024_sales_report"),
        ("C:\\temp\\Übersicht.json", "Übersicht"),
        ("../../etc/passwd", "passwd"),
        ('x"; DROP TABLE y; --.csv', "x___DROP_TABLE_y"),
        ("...", "table"),
        ("", "table"),
        ("a" * 300, "a" * 60),
    ],
)
def test_tables_are_named_after_their_files(filename: str, table: str) -> None:
    """A name keeps letters, digits and underscores, begins with no digit, and is not too long."""
    assert table_name(filename) == table


def test_no_two_tables_have_one_name(tmp_path: Path) -> None:
    """Files of the same name are told apart by a number, and none but the first is `data`."""
    files = [written(tmp_path, name, "a\n1\n") for name in ("x.csv", "X.csv", "data.csv", "x.json.csv")]
    assert [source.table for source in sources(files)] == ["x", "X_2", "data_2", "x_3"]
    assert [source.table for source in sources(files[2:])] == ["data", "x"]


def test_a_kind_is_told_by_the_content_first(tmp_path: Path) -> None:
    """Parquet is known by its first bytes, JSON by its bracket where the name says nothing, and text is CSV."""
    kinds = {"a.csv": b"PAR1...", "b": b' [{"a": 1}]', "c.txt": b"a,b", "d.tsv": b"[1]\t2", "e.ndjson": b"{}"}
    found = [source.kind for source in sources([written(tmp_path, name, body) for name, body in kinds.items()])]
    assert found == ["parquet", "json", "csv", "csv", "json"]


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("a.csv", b"", "empty_file"),
    "blanks": ("a.json", b" \n ", "empty_file"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "unreadable_file"),
    "no parquet": ("a.parquet", b"hello", "unreadable_file"),
    "half a parquet": ("a.parquet", b"PAR1" + b"x" * 100, "unreadable_file"),
    "broken json": ("a.json", b'[{"a": 1}, {"a"', "unreadable_file"),
    "not utf-8": ("a.csv", b"name,n\nM\xfcnster,1\n", "unreadable_file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_cannot_be_read(what: str, tmp_path: Path) -> None:
    """It is named with what is wrong with it, and no path of the server's is."""
    filename, content, code = BROKEN[what]
    error = refusal(lambda: describe([written(tmp_path, filename, content)]))
    assert error.code == code
    assert filename in error.message
    assert str(tmp_path) not in error.message


def test_types_that_only_the_end_of_a_file_tells(tmp_path: Path) -> None:
    """A column that looks like numbers for a hundred thousand rows is text, where it turns out to be."""
    file = written(tmp_path, "late.csv", "n\n" + "1\n" * 100_000 + "none\n")
    assert run_sql("SELECT n, count(*) AS rows FROM late GROUP BY n ORDER BY n", [file])["rows"] == [
        {"n": "1", "rows": 100_000},
        {"n": "none", "rows": 1},
    ]


def test_the_sample_is_there_without_any_file() -> None:
    """`orders` and `products` belong together, and `orders` is also `data`."""
    answer = run_sql("SELECT count(*) AS n, count(p.name) AS known FROM data LEFT JOIN products p USING (product)")
    assert answer["rows"] == [{"n": 1596, "known": 1596}]
    assert [table["name"] for table in answer["tables"]] == ["orders", "products"]


# --- statements ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a",
        "select 1 as a;",
        "-- before;\nSELECT 1 AS a ; -- after; all\n/* and ; */ ;;",
        "WITH x AS (SELECT 1 AS a) FROM x",
        "VALUES (1)",
        "SELECT ';' <> '--' AS a -- é;",
        "(SELECT 1 AS a)",
        "SELECT 1 AS a UNION ALL SELECT 1 LIMIT 1",
    ],
)
def test_statements_end_as_people_end_them(sample: Engine, sql: str) -> None:
    """Semicolons and comments around the one statement do not matter."""
    [row] = asked(sample, sql)
    assert list(row.values()) in ([1], [True])


@pytest.mark.parametrize(
    "sql", ["DESCRIBE orders", "SUMMARIZE orders", "SHOW TABLES", "PIVOT orders ON channel USING sum(quantity)"]
)
def test_more_than_select_reads(sample: Engine, sql: str) -> None:
    """Whatever only reads is run, DuckDB's own statements too."""
    assert asked(sample, sql)


def test_the_order_of_an_answer_is_kept(sample: Engine) -> None:
    """Rows come in the order that the statement says, over all batches."""
    rows = asked(sample, "SELECT range AS n FROM range(20000) ORDER BY hash(range) DESC", limit=5000)
    expected = duckdb.execute("SELECT range FROM range(20000) ORDER BY hash(range) DESC LIMIT 5000").fetchall()
    assert [row["n"] for row in rows] == [n for (n,) in expected]


def test_columns_of_one_name_are_told_apart(sample: Engine) -> None:
    """None of them is lost in an object of the row."""
    assert asked(sample, 'SELECT 1 AS a, 2 AS A, 3 AS b, 4 AS "a_1", 5 AS a') == [
        {"a": 1, "A_1": 2, "b": 3, "a_1_1": 4, "a_2": 5}
    ]


def test_no_rows_have_columns(sample: Engine) -> None:
    """The columns and their types are told where there is no row at all."""
    [message] = [message for message in sample.ask("SELECT city, price FROM orders WHERE false", 10, 30) if message]
    assert [(column["name"], column["type"]) for column in message["columns"]] == [
        ("city", "VARCHAR"),
        ("price", "DOUBLE"),
    ]


WRONG: dict[str, tuple[str, str, str]] = {
    "a typing error": ("SELEC 1", "wrong_sql", 'syntax error at or near "SELEC"'),
    "an unknown table": ("FROM nowhere", "wrong_sql", "nowhere does not exist"),
    "an unknown column": ("SELECT 1,\n       nothing FROM orders", "wrong_sql", "LINE 2:        nothing FROM orders"),
    "a value that does not fit": ("SELECT CAST(city AS INTEGER) FROM orders", "wrong_sql", "Could not convert string"),
    "an error of its own": ("SELECT error('it is me')", "wrong_sql", "it is me"),
    "a parameter": ("SELECT $1", "wrong_sql", "parameters"),
    "nothing": (" ; -- nothing", "not_a_query", "no statement"),
    "two statements": ("SELECT 1; SELECT 2", "not_a_query", "one statement"),
    "a way out of the brackets": ("SELECT 1) AS x, (SELECT 2", "wrong_sql", "syntax error"),
    "too many brackets": ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "wrong_sql", "depth"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_sql_is_told_in_duckdbs_words(sample: Engine, what: str) -> None:
    """The code, and DuckDB's message with its line, as they are of use to whoever wrote the SQL."""
    sql, code, said = WRONG[what]
    error = refusal(lambda: asked(sample, sql))
    assert error.code == code
    assert said in error.message
    assert "Traceback" not in error.message
    assert "SET " not in error.message


LOCKED: dict[str, str] = {
    "read_csv": "SELECT * FROM read_csv('/etc/passwd')",
    "read_text": "SELECT * FROM read_text('/etc/passwd')",
    "read_blob": "SELECT * FROM read_blob('/proc/self/environ')",
    "read_json": "SELECT * FROM read_json('/etc/passwd')",
    "a file as a table": "SELECT * FROM '/etc/passwd'",
    "a CSV as a table": "SELECT * FROM '/etc/passwd.csv'",
    "sniff_csv": "SELECT * FROM sniff_csv('/etc/passwd')",
    "parquet_metadata": "SELECT * FROM parquet_metadata('/etc/passwd')",
    "glob": "SELECT * FROM glob('/*')",
    "by query()": "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "in a subquery": "SELECT (SELECT count(*) FROM read_csv('/etc/passwd'))",
    "in a pivot": "PIVOT (FROM read_csv('/etc/passwd')) ON column0",
    "explained": "EXPLAIN ANALYZE SELECT * FROM read_csv('/etc/passwd')",
    "http": "SELECT * FROM 'https://example.org/a.csv'",
    "read_csv over http": "SELECT * FROM read_csv('http://127.0.0.1:9/a.csv')",
    "s3": "SELECT * FROM read_parquet('s3://bucket/a.parquet')",
    "getenv": "SELECT getenv('PATH')",
    "COPY TO": "COPY orders TO '/tmp/out.csv'",
    "COPY FROM": "COPY orders FROM '/etc/passwd'",
    "EXPORT": "EXPORT DATABASE '/tmp/out'",
    "IMPORT": "IMPORT DATABASE '/tmp/out'",
    "ATTACH": "ATTACH '/tmp/other.db'",
    "ATTACH in memory": "ATTACH ':memory:' AS other",
    "INSTALL": "INSTALL httpfs",
    "LOAD": "LOAD httpfs",
    "SET": "SET memory_limit = '100GB'",
    "SET GLOBAL": "SET GLOBAL enable_external_access = true",
    "RESET": "RESET lock_configuration",
    "PRAGMA": "PRAGMA threads = 64",
    "PRAGMA that reads": "PRAGMA database_list",
    "CALL": "CALL pragma_version()",
    "CREATE": "CREATE TABLE mine AS SELECT 1",
    "CREATE MACRO": "CREATE MACRO f() AS TABLE SELECT 1",
    "CREATE SECRET": "CREATE SECRET (TYPE s3)",
    "INSERT": "INSERT INTO products SELECT * FROM products",
    "UPDATE": "UPDATE orders SET price = 0",
    "DELETE": "DELETE FROM orders",
    "DROP": "DROP TABLE orders",
    "BEGIN": "BEGIN",
    "PREPARE": "PREPARE p AS SELECT 1",
    "behind a SELECT": "SELECT 1; COPY orders TO '/tmp/out.csv'",
    "behind a comment": "SELECT 1 /* ; */; SET threads = 64 --",
}


@pytest.mark.parametrize("what", LOCKED)
def test_the_door_is_locked(sample: Engine, what: str) -> None:
    """No file, no network, no extension, no setting, no environment: whatever reaches for one is refused."""
    error = refusal(lambda: asked(sample, LOCKED[what]))
    assert error.code in ("not_allowed", "not_a_query", "wrong_sql")
    assert "root:" not in error.message
    assert one(sample, "count(*) FROM orders") == 1596


def test_the_lock_is_duckdbs_own() -> None:
    """What the kinds of statement would keep out is refused by the database as well."""
    from operations.analytics.database import Database

    with tempfile.TemporaryDirectory() as folder:
        database = Database(folder)
        database.load(str(SAMPLE[0]), "orders.csv", "csv", "orders")
        database.lock("orders", "data")
        for statement in ("COPY orders TO '/tmp/x.csv'", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD httpfs"):
            with pytest.raises(duckdb.PermissionException):
                database._query_cursor.execute(statement)
        for statement in ("SET memory_limit = '10GB'", "SET lock_configuration = false", "PRAGMA threads = 8"):
            with pytest.raises(duckdb.InvalidInputException, match="locked"):
                database._query_cursor.execute(statement)


def test_the_settings_tell_nothing_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database knows neither the proxy nor the home nor anything else of the service's environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret@proxy:3128")
    monkeypatch.setenv("HOME", "/home/secret")
    settings = run_sql("SELECT name, value FROM duckdb_settings()", limit=1000)["rows"]
    told = json.dumps([row for row in settings if row["name"] not in ("temp_directory", "allowed_directories")])
    assert "secret@" not in told
    assert "/home/secret" not in told
    assert str(Path.home()) not in told


def test_variables_of_python_are_no_tables(sample: Engine) -> None:
    """A name in SQL does not find what the process happens to hold."""
    for name in ("values", "sys", "statement", "command"):
        assert refusal(lambda name=name: asked(sample, f"FROM {name}")).code == "wrong_sql"  # type: ignore[misc]


# --- limits ----------------------------------------------------------------------------------------------------------

GREEDY: dict[str, str] = {
    "one huge text": "SELECT length(repeat('x', 4000000000))",
    "a long list": "SELECT max(len(range(1000000 + range))) FROM range(2048)",
    "an aggregate": "SELECT length(string_agg('x' || range)) FROM range(200000000)",
}


@pytest.mark.parametrize("what", GREEDY)
def test_memory_is_bounded(what: str) -> None:
    """Functions whose memory DuckDB itself does not count are stopped too, and cost nothing but their run."""
    error = refusal(lambda: run_sql(GREEDY[what], seconds=40))
    assert error.code in ("too_large", "timeout")


def test_a_sort_that_does_not_fit_into_memory(sample: Engine) -> None:
    """It is done on disk, in the folder of the run, which takes no more than its limit."""
    lines = "SELECT format('{:08d}', range) || repeat('-', 192) AS line FROM range(3000000)"
    sorting = sample.ask(f"SELECT count(*) AS n, min(line) AS m FROM ({lines} ORDER BY line DESC OFFSET 1)", 10, 60)
    most, rows = 0, []
    for message in sorting:
        most = max(most, size(Path(sample._folder)))
        rows += message.get("rows", ())
    assert rows == [{"n": 2_999_999, "m": "0" * 8 + "-" * 192}]
    assert most > 1 << 20


def test_a_value_has_a_limit(sample: Engine) -> None:
    """A huge value is refused by the name of its column before it leaves the database; a large one is passed on."""
    assert len(one(sample, f"repeat('x', {values.VALUE_BYTES})")) == values.VALUE_BYTES
    error = refusal(lambda: asked(sample, f"SELECT 1 AS a, repeat('é', {values.VALUE_BYTES}) AS \"it's\""))
    assert (error.code, error.message) == (
        "too_large",
        "A value of it's has more than 65,536 bytes: select a part of it.",
    )
    assert refusal(lambda: asked(sample, "SELECT range(100000) AS list")).code == "too_large"


def test_time_is_bounded(sample: Engine) -> None:
    """A statement that takes too long is interrupted, and the next one runs."""
    error = refusal(lambda: asked(sample, FOREVER, seconds=0.5))
    assert (error.code, "0.5 seconds" in error.message) == ("timeout", True)
    assert one(sample, "1") == 1


def test_what_cannot_be_interrupted_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function deep in one long call ends with its process, and no process and no folder are left."""
    monkeypatch.setattr(engine, "GRACE", 0.2)
    pids = []
    with Engine() as started:
        list(started.load(sources(SAMPLE)))
        pids.append(started._pid)
        deaf = "SELECT length(regexp_replace(repeat('abc', 60000000), '[ab]', 'xy', 'g'))"
        assert refusal(lambda: asked(started, deaf, seconds=0.5)).code == "timeout"
        folder = started._folder
    assert not Path(f"/proc/{pids[0]}").exists()
    assert not Path(folder).exists()


def test_an_interrupt_that_comes_early_or_late(sample: Engine) -> None:
    """One that comes as a statement begins stops it; one that comes after its end harms nobody."""
    for _ in range(5):
        sample._send({"sql": FOREVER, "limit": 10})  # as `ask` does
        sample._interrupt()
        message: Any = {}
        while "error" not in message:
            message = sample._receive(time.monotonic() + PATIENCE)
        assert message["error"] == "interrupted"
        sample._interrupt()
        assert one(sample, "7") == 7


def test_a_lost_process_is_told() -> None:
    """A database that the kernel has killed is one that wanted too much memory."""
    with Engine() as started:
        list(started.load(sources(SAMPLE)))
        running = started.ask(FOREVER, 10, 30)
        os.kill(started._pid, signal.SIGKILL)
        assert refusal(lambda: list(running)).code == "too_large"


def test_a_process_ends_with_its_input() -> None:
    """When the service goes without a word, the database goes too, in the middle of a statement, with its folder."""
    started = Engine().__enter__()
    list(started.load(sources(SAMPLE)))
    started._send({"sql": FOREVER, "limit": 10})
    os.close(started._in)
    started._in = -1
    wait_until(lambda: started._wait_for_exit(0) is not None, "the process has ended")
    started._pid = 0
    assert not Path(started._folder).exists()
    started.close()


# --- values ----------------------------------------------------------------------------------------------------------

TOLD: dict[str, tuple[str, Any]] = {
    "true": ("true", True),
    "null": ("NULL", None),
    "int": ("42", 42),
    "15 digits": ("-999999999999999", -999999999999999),
    "16 digits": ("9007199254740993", "9007199254740993"),
    "hugeint": ("(-170141183460469231731687303715884105727)::HUGEINT", "-170141183460469231731687303715884105727"),
    "sum of ints": ("sum(range) FROM range(10)", 45),
    "bignum": ("('1' || repeat('0', 5000))::BIGNUM", "1" + "0" * 5000),
    "small bignum": ("(-12)::BIGNUM", -12),
    "double": ("0.1::DOUBLE + 0.2::DOUBLE", 0.30000000000000004),
    "float": ("0.1::FLOAT", 0.10000000149011612),
    "nan": ("'nan'::DOUBLE", "NaN"),
    "infinity": ("'inf'::FLOAT", "Infinity"),
    "minus infinity": ("'-inf'::DOUBLE", "-Infinity"),
    "decimal": ("12.50::DECIMAL(10,2)", 12.5),
    "whole decimal": ("100.00::DECIMAL(10,2)", 100),
    "long decimal": (
        "-1234567890123456789.0123456789::DECIMAL(38,10)",
        "-1234567890123456789.0123456789",
    ),
    "tiny decimal": ("0.0000000000000000000000000000000000001::DECIMAL(38,37)", 1e-37),
    "text": ("'Zürich\u2028🦆'", "Zürich\u2028🦆"),
    "enum": ("'a'::ENUM('a', 'b')", "a"),
    "blob": ("'\\x00\\xFFab'::BLOB", "AP9hYg=="),
    "bit": ("'0101'::BIT", "0101"),
    "uuid": ("'5f0f6a3e-0000-4000-8000-000000000001'::UUID", "5f0f6a3e-0000-4000-8000-000000000001"),
    "date": ("DATE '2026-11-23'", "2026-11-23"),
    "no end": ("'infinity'::DATE", "infinity"),
    "far date": ("DATE '12026-11-23'", "12026-11-23"),
    "date BC": ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)"),
    "time": ("TIME '24:00:00'", "24:00:00"),
    "timestamp": ("TIMESTAMP '2026-11-23 09:30:00.125'", "2026-11-23T09:30:00.125"),
    "nanoseconds": ("'2026-11-23 09:30:00.123456789'::TIMESTAMP_NS", "2026-11-23T09:30:00.123456789"),
    "timestamptz": ("TIMESTAMPTZ '2026-11-23 09:30:00+02'", "2026-11-23T07:30:00Z"),
    "infinite timestamptz": ("'-infinity'::TIMESTAMPTZ", "-infinity"),
    "interval": ("INTERVAL '14 months 3 days 1 second'", "1 year 2 months 3 days 00:00:01"),
    "list": ("[1, NULL, 9007199254740993]", [1, None, "9007199254740993"]),
    "list of doubles": ("[0.1::DOUBLE, 'nan'::DOUBLE, '-inf'::DOUBLE]", [0.1, "NaN", "-Infinity"]),
    "struct": ("{'a': 1.5, 'b': {'c': DATE '2026-01-01'}}", {"a": 1.5, "b": {"c": "2026-01-01"}}),
    "map": ("MAP {'x': 1, 'y': 2}", {"x": 1, "y": 2}),
    "union": ("union_value(age := 5)", {"age": 5}),
    "long decimals in a list": ("[12345678901234567890.5::DECIMAL(38,1)]", ["12345678901234567890.5"]),
    "json": ("""'{"a": [1, 1.5, 12345678901234567890, "x"]}'::JSON""", {"a": [1, 1.5, "12345678901234567890", "x"]}),
    "deep json": ("(repeat('[', 200) || repeat(']', 200))::JSON", "[" * 200 + "]" * 200),
    "variant": ("{'a': 1}::VARIANT", {"a": 1}),
    "geometry": ("'POINT (1 2)'::GEOMETRY", "POINT (1 2)"),
}


@pytest.mark.parametrize("what", TOLD)
def test_values_are_told_without_loss(sample: Engine, what: str) -> None:
    """Each type as the table in `values` has it, in JSON that an event carries."""
    expression, expected = TOLD[what]
    value = one(sample, expression)
    assert value == expected
    assert type(value) is type(expected)
    assert partial("k", value).data["value"] == expected


def test_every_type_of_duckdb_has_its_json(sample: Engine) -> None:
    """DuckDB's own table of all types, with the least and the greatest value of each, comes over in whole."""
    described = duckdb.execute("DESCRIBE FROM test_all_types()").fetchall()
    columns = [column[0] for column in described if column[0] != "bignum"]  # 300 digits: tried above
    rows = asked(sample, f"SELECT {', '.join(map(identifier, columns))} FROM test_all_types()")
    assert (len(rows), list(rows[0])) == (3, columns)
    assert all(value is None for value in rows[2].values())
    least, greatest = rows[:2]
    assert greatest["hugeint"] == str(2**127 - 1)
    assert greatest["dec38_10"] == "9" * 28 + "." + "9" * 10
    assert greatest["timestamp_ns"] == "2262-04-11T23:47:16.854775806"
    assert least["date"] == "5877642-06-25 (BC)"
    assert greatest["array_of_structs"][1] == {"a": 42, "b": "🦆🦆🦆🦆🦆🦆"}
    partial("rows", rows)


# --- charts ----------------------------------------------------------------------------------------------------------


def drawn(sample: Engine, sql: str) -> tuple[str, list[str]] | None:
    """The mark of the chart of an answer, and the fields of its x, y and colour."""
    messages = list(sample.ask(sql, 5000, 30))
    [columns] = [message["columns"] for message in messages if "columns" in message]
    rows = [row for message in messages for row in message.get("rows", ())]
    found = charts.chart(columns, rows)
    if found is None:
        return None
    encoding = found["encoding"]
    fields = [encoding[channel]["field"] for channel in ("x", "y", "color") if channel in encoding]
    assert found["data"]["values"][0].keys() == {field.replace("\\", "") for field in fields}
    return found["mark"]["type"], fields


CHARTS: dict[str, tuple[str, tuple[str, list[str]] | None]] = {
    "a category and a number": (
        "SELECT city, sum(price) AS income FROM orders GROUP BY city",
        ("bar", ["city", "income"]),
    ),
    "the number first": ("SELECT count(*) AS n, city FROM orders GROUP BY city", ("bar", ["city", "n"])),
    "a time and a number": (
        "SELECT date_trunc('month', ordered) AS month, sum(price) AS income FROM orders GROUP BY 1 ORDER BY 1",
        ("line", ["month", "income"]),
    ),
    "a time, a category and a number": (
        "SELECT date_trunc('month', ordered) AS month, channel, count(*) AS n FROM orders GROUP BY ALL",
        ("line", ["month", "n", "channel"]),
    ),
    "two numbers": ("SELECT quantity, price FROM orders LIMIT 100", ("point", ["quantity", "price"])),
    "names with dots": ('SELECT city AS "a.b", 1 AS "c[d]" FROM orders GROUP BY 1', ("bar", ["a\\.b", "c\\[d\\]"])),
    "nulls among the numbers": ("SELECT * FROM (VALUES ('a', 1), ('b', NULL)) t(c, n)", ("bar", ["c", "n"])),
    "one number": ("SELECT count(*) FROM orders", None),
    "one row": ("SELECT 'a' AS a, 1 AS b", None),
    "a category that comes twice": ("SELECT city, price FROM orders LIMIT 40", None),
    "too many categories": ("SELECT 'c' || range AS c, range AS n FROM range(100)", None),
    "too many points": ("SELECT range AS a, range AS b FROM range(3000)", None),
    "three numbers": ("SELECT quantity, price, rating FROM orders LIMIT 10", None),
    "two categories": ("SELECT city, channel FROM orders LIMIT 10", None),
    "a list": ("SELECT [1] AS a, range AS b FROM range(5)", None),
    "numbers that are told as text": ("SELECT 'c' || range AS c, 9007199254740993 + range FROM range(3)", None),
    "numbers that are all missing": ("SELECT 'c' || range AS c, NULL::INTEGER AS n FROM range(3)", None),
}


@pytest.mark.parametrize("what", CHARTS)
def test_a_chart_where_the_shape_suggests_one(sample: Engine, what: str) -> None:
    """Bars, lines or points by the types of the columns, and nothing where a picture would mislead."""
    sql, expected = CHARTS[what]
    assert drawn(sample, sql) == expected


# --- the operation ---------------------------------------------------------------------------------------------------


def test_a_run_tells_everything_as_it_comes() -> None:
    """Tables, columns, rows in batches and the chart are partials, and the result holds them again."""
    sql = "SELECT CAST(ordered AS DATE) AS day, sum(price) AS income FROM orders GROUP BY 1 ORDER BY 1"
    events, result = performed(sql=sql, limit=1000)
    found = partials(events)
    assert list(found) == ["tables", "columns", "rows-1", "rows-2", "chart"]
    assert found["columns"] == [{"name": "day", "type": "DATE"}, {"name": "income", "type": "DOUBLE"}]
    assert found["rows-1"] + found["rows-2"] == result["rows"]
    assert found["chart"] == result["chart"]
    assert (result["sql"], result["question"], result["truncated"]) == (sql, None, False)
    assert [table["name"] for table in result["tables"]] == ["orders", "products"]


def test_a_limit_that_was_hit_is_said() -> None:
    """The result has as many rows as were asked for, says that there are more, and draws no half picture."""
    events, result = performed(sql="SELECT city, price FROM orders ORDER BY ordered", limit=300)
    assert (len(result["rows"]), result["truncated"], result["chart"]) == (300, True, None)
    assert events[-1].data["message"] == "Stopped at 300 rows: there are more than the result may have."
    assert performed(sql="SELECT 1 FROM range(300)", limit=300)[1]["truncated"] is False


def test_a_result_has_a_size() -> None:
    """Rows that are large are cut off at a size, whatever their number, and what is passed on is bounded."""
    events, result = performed(sql="SELECT repeat('x', 60000) AS s FROM range(10000)", limit=10_000)
    size = sum(len(event.body) for event in events)
    assert module.MAX_BYTES <= size <= module.MAX_BYTES + 2 * child.BATCH_BYTES
    assert max(len(event.body) for event in events) <= 2 * child.BATCH_BYTES
    assert result["truncated"] is True


def test_a_result_that_just_fits_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said to be cut where nothing was left out."""
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert performed(sql="SELECT 'a long enough text' AS a")[1]["truncated"] is False
    assert performed(sql="SELECT repeat('x', 60000) AS a FROM range(20)")[1]["truncated"] is True


def test_rows_and_columns_have_limits(sample: Engine, tmp_path: Path) -> None:
    """An answer, and a file, of too many columns is refused, and so is a row that is too large."""
    pivot = "SELECT * FROM (PIVOT (FROM range(1001)) ON range USING count(*))"
    assert "1,001 columns" in refusal(lambda: asked(sample, pivot)).message
    file = written(tmp_path, "wide.csv", ",".join(f"c{number}" for number in range(1001)) + "\n")
    assert "1,001 columns" in refusal(lambda: describe([file])).message
    wide = ", ".join(f"repeat('x', 60000) AS c{number}" for number in range(20))
    error = refusal(lambda: asked(sample, f"SELECT {wide}"))
    assert (error.code, "A row has more than" in error.message) == ("too_large", True)


def test_progress_never_falls_and_ends_once() -> None:
    """A statement that takes its time says how far it is; 100 percent come at its end alone."""
    sql = "SELECT count(DISTINCT hash(range + 1)) AS n FROM range(8000000)"
    events, result = performed(sql=sql)
    told = [event.data["done"] for event in events if event.data.get("step") == "query" and "done" in event.data]
    assert result["rows"] == [{"n": 8_000_000}]
    assert told == sorted(told)
    assert told.count(100) == 1
    assert told[-1] == 100


def test_a_run_that_is_closed_ends_its_database(own_queues: Path) -> None:
    """A generator that is closed in the middle leaves no process, no folder and no turn behind."""
    before = set(own_queues.glob("headway-analytics-*"))
    work = analyze.fn(Analysis(sql=FOREVER))
    seen = [next(work)]
    while seen[-1].data.get("step") != "query":
        seen.append(next(work))
    work.close()
    assert set(own_queues.glob("headway-analytics-*")) == before
    assert not [path for path in own_queues.glob("headway-turns-*/analytics/*") if path.name.isdecimal()]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "question"),
        ({"sql": "SELECT 1", "question": "What?"}, "question"),
        ({"sql": "  "}, "question"),
        ({"sql": "x" * 20_001}, "sql"),
        ({"question": "x" * 2_001}, "question"),
        ({"sql": "SELECT 1", "limit": 0}, "limit"),
        ({"sql": "SELECT 1", "limit": 10_001}, "limit"),
        ({"sql": "SELECT 1", "file": "text"}, "file"),
        ({"sql": "SELECT 1", "rows": 1}, "rows"),
    ],
)
def test_bad_input_names_its_field(fields: dict[str, Any], named: str) -> None:
    """Input that does not fit is refused by the field that is wrong."""
    with pytest.raises(ValidationError) as refused:
        Analysis(**fields)
    assert refused.value.errors()[0]["loc"][0] == named


def test_a_file_that_nobody_chose_is_none(tmp_path: Path) -> None:
    """A form sends an empty file without a name where none was chosen: the sample is used."""
    assert Analysis(sql="SELECT 1", file=[written(tmp_path, "", "")]).file == []
    assert Analysis(sql="SELECT 1", file=written(tmp_path, "a.csv", "a")).file[0].filename == "a.csv"


def test_the_catalogue_can_make_a_form_of_it() -> None:
    """Every field has a title, a description and, where one writes into it, an example that works."""
    properties = analyze.describe(0)["input"]["properties"]
    assert all(field["title"] and field["description"] for field in properties.values())
    assert analyze.file_fields() == {"file": True}
    assert performed(sql=properties["sql"]["examples"][0])[1]["chart"]["mark"]["type"] == "bar"


# --- for other operations --------------------------------------------------------------------------------------------


def test_a_plain_function_answers() -> None:
    """`run_sql` gives columns and rows, says where it stopped, and refuses as the operation does."""
    answer = run_sql("SELECT name, price FROM products ORDER BY price DESC", limit=2)
    assert answer["rows"] == [{"name": "Electric bike", "price": 1999.0}, {"name": "Touring bike", "price": 899.0}]
    assert answer["columns"] == [{"name": "name", "type": "VARCHAR"}, {"name": "price", "type": "DOUBLE"}]
    assert answer["truncated"] is True
    assert refusal(lambda: run_sql("DROP TABLE products")).code == "not_a_query"


def test_a_plain_function_gathers_no_more_than_it_may() -> None:
    """Large rows are cut off at a size, whatever their number."""
    answer = run_sql("SELECT repeat('x', 60000) AS s FROM range(10000)", limit=10_000)
    assert answer["truncated"] is True
    assert queries.BYTES < len(orjson.dumps(answer["rows"])) < queries.BYTES + 2 * child.BATCH_BYTES


def test_a_greenlet_that_asks_does_not_hold_up_others(own_queues: Path) -> None:
    """While one greenlet waits for the database, the hub goes on, and killing the greenlet ends the statement."""
    before = set(own_queues.glob("headway-analytics-*"))
    turns_taken = 0
    asking = gevent.spawn(run_sql, FOREVER)
    with gevent.Timeout(20):
        while set(own_queues.glob("headway-analytics-*")) == before or turns_taken < 100:
            gevent.sleep(0.01)
            turns_taken += 1
        asking.kill()
    assert set(own_queues.glob("headway-analytics-*")) == before


# --- questions -------------------------------------------------------------------------------------------------------


CUT_OFF = "SELECT and so on"


class Scripted:
    """A model that answers with these statements, one after another, and remembers what it was shown."""

    def __init__(self, *statements: str) -> None:
        self._statements = list(statements)
        self.shown: list[Sequence[Any]] = []

    def connect(self) -> Generator[Event, None, str]:
        return "scripted"
        yield

    def fill(self, model: str, messages: Sequence[Any], schema: Any, **_: Any) -> Generator[Event, None, Any]:
        assert schema["required"] == ["sql"]
        self.shown.append(list(messages))
        yield progress("Reading the prompt", step="prompt")
        sql = self._statements.pop(0)
        if sql == CUT_OFF:
            raise OperationError("model_unfit", "The model's answer was cut off before its end.")
        return {"sql": sql}, None


@contextlib.contextmanager
def model(*statements: str) -> Iterator[Scripted]:
    """The operation's model, for as long as the block lasts."""
    scripted = Scripted(*statements)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "connect", scripted.connect)
        patch.setattr(module, "fill", scripted.fill)
        yield scripted


def test_a_question_is_answered_by_sql() -> None:
    """The model sees the tables, their columns, some rows and the question, and its SQL is run and shown."""
    sql = "SELECT city, count(*) AS n FROM orders GROUP BY city ORDER BY n DESC LIMIT 1"
    with model(sql) as scripted:
        events, result = performed(question="Where are most orders from?")
    prompt = scripted.shown[0][0]["content"]
    assert "CREATE TABLE orders (ordered TIMESTAMP, city VARCHAR" in prompt
    assert "CREATE TABLE products" in prompt
    assert '["2025-01-01 09:36:00", "Porto", "S02", "1", "19.0", "shop", null]' in prompt
    assert "-- channel is one of: " in prompt
    assert '{"sql": "SELECT city, sum(quantity) AS total FROM orders GROUP BY city ORDER BY total DESC"}' in prompt
    joined = "SELECT category, sum(quantity) AS total FROM orders JOIN products USING (product) GROUP BY category"
    assert joined in prompt
    assert prompt.endswith("Question: Where are most orders from?")
    assert partials(events)["sql"] == result["sql"] == sql
    assert result["question"] == "Where are most orders from?"
    assert result["rows"][0]["city"] == "Amsterdam"


def test_a_statement_that_fails_goes_back_to_the_model() -> None:
    """The model is told what DuckDB says, and tries again; viewers see both."""
    with model("SELECT town FROM orders", "SELECT count(*) AS n FROM orders") as scripted:
        events, result = performed(question="How many?")
    assert result["rows"] == [{"n": 1596}]
    *_, refused, again = scripted.shown[1]
    assert json.loads(refused["content"]) == {"sql": "SELECT town FROM orders"}
    assert 'Referenced column "town" not found' in again["content"]
    assert any("That does not work" in event.data.get("message", "") for event in events)


def test_an_answer_of_the_model_that_is_cut_off_is_one_try() -> None:
    """It is asked once more, without what it has not said."""
    with model(CUT_OFF, "SELECT 1 AS one") as scripted:
        assert performed(question="How many?")[1]["rows"] == [{"one": 1}]
    assert scripted.shown[1] == scripted.shown[0]


def test_the_model_may_not_do_more_than_anybody() -> None:
    """What it writes runs behind the same lock, and it is told so."""
    with model("SELECT * FROM read_csv('/etc/passwd')", "DROP TABLE orders", "SELECT 1 AS one") as scripted:
        assert performed(question="What are the passwords?")[1]["rows"] == [{"one": 1}]
    assert "can only read the tables of its run" in scripted.shown[1][-1]["content"]
    assert "DROP is not allowed" in scripted.shown[2][-1]["content"]


def test_the_model_has_three_tries() -> None:
    """After the last the run fails, with DuckDB's last word."""
    with model("SELECT a", "SELECT b", "SELECT c") as scripted:
        error = refusal(lambda: performed(question="Why?"))
    assert error.code == "no_answer"
    assert 'Referenced column "c"' in error.message
    assert len(scripted.shown) == module.ATTEMPTS == 3


def test_a_limit_is_nothing_to_mend() -> None:
    """A statement that is too much for a run ends it: the model is not asked to find another."""
    with model("SELECT length(repeat('x', 4000000000))") as scripted:
        assert refusal(lambda: performed(question="How long?")).code in ("too_large", "timeout")
    assert len(scripted.shown) == 1


def test_what_the_child_says_of_itself_is_kept_from_viewers(capfd: pytest.CaptureFixture[str]) -> None:
    """A failure of the process itself is a traceback in the log, and an error without a word of it for viewers."""
    with Engine() as started:
        started._send({"sql": 5, "limit": 1})
        assert started._receive(time.monotonic() + PATIENCE) == {"failed": True}
    assert "Traceback" in capfd.readouterr().err
