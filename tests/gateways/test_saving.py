"""Events are in the database before a gateway passes them on; if they cannot be saved, the policy decides."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import pytest
from pydantic import BaseModel
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    DateTime,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    select,
)
from sqlalchemy import event as listening

from streaming import OperationError, RegistrationError, event, flush, partial, progress, result
from streaming.gateways.gateway import Events
from streaming.gateways.saving import MOST_WAITING, events_table, results_table, save_events, save_result
from streaming.protocol.events import Event, RawEvent
from streaming.runs.context import CurrentRun, RunContext, run_context
from streaming.runtime.worker import Worker
from tests.clients import wait_until

Transform = Callable[[Iterable[Any]], Iterator[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file that does not exist yet."""
    return tmp_path / "saved.db"


@pytest.fixture
def engine(path: Path) -> Engine:
    """An engine on it."""
    return create_engine(f"sqlite:///{path}")


def rows(path: Path, columns: str = "number, name, data", table: str = "headway_events") -> list[Any]:
    """The rows of the table, as another connection sees them."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"select {columns} from {table} order by 1").fetchall()


def through(transform: Transform, events: Iterable[Any], run: str | None = "run-1") -> Iterator[Any]:
    """The items that a transform yields, used as in a gateway."""
    return transform(Events(iter(events), run))


def numbered(count: int) -> Iterator[Event]:
    """Events with these numbers, at once."""
    for number in range(1, count + 1):
        yield event("row", {"number": number})


def test_saved_before_it_is_seen(engine: Engine, path: Path) -> None:
    """When an event is passed on, its row is committed; items that are not events pass unchanged."""
    items = [
        progress("one"),
        flush(),
        event("text", "plain"),
        RawEvent("raw", b"[DONE]"),
        event("row", {"at": [1, None]}),
    ]
    for number, item in enumerate(through(save_events(engine), items), 1):
        assert item is items[number - 1]
        assert len(rows(path)) >= sum(isinstance(each, Event) for each in items[:number])
    assert rows(path) == [
        (1, "progress", '{"message": "one"}'),
        (2, "text", '"plain"'),
        (3, "raw", '"[DONE]"'),
        (4, "row", '{"at": [1, null]}'),
    ]
    assert rows(path, "run", "headway_events") == [("run-1",)] * 4


def test_a_burst_is_a_batch(engine: Engine, path: Path) -> None:
    """Thousands of events take a handful of transactions, and keep their order."""
    commits: list[object] = []
    listening.listen(engine, "commit", commits.append)
    count = 5 * MOST_WAITING
    assert [each.data["number"] for each in through(save_events(engine), numbered(count))] == [*range(1, count + 1)]
    assert len(rows(path)) == count
    assert len(commits) < 20


def test_runs_share_transactions(engine: Engine, path: Path) -> None:
    """Events of all runs that arrive during one transaction are written by the next."""
    commits: list[object] = []
    listening.listen(engine, "commit", commits.append)
    saving = save_events(engine)
    runs = [gevent.spawn(lambda run: list(through(saving, numbered(3), run)), f"run-{n}") for n in range(50)]
    assert [len(run.get(timeout=30)) for run in runs] == [3] * 50
    assert len(set(rows(path, "run, number"))) == 150
    assert len(commits) < 50


def test_a_run_that_starts_again_replaces_its_rows(engine: Engine, path: Path) -> None:
    """The rows of the attempt before are gone, those of other runs are not."""
    saving = save_events(engine)
    for run, count in (("run-1", 5), ("run-2", 2), ("run-1", 3)):
        assert len(list(through(saving, numbered(count), run))) == count
    assert [row for row in rows(path, "run, number") if row[0] == "run-1"] == [("run-1", n) for n in (1, 2, 3)]
    assert [row for row in rows(path, "run, number") if row[0] == "run-2"] == [("run-2", n) for n in (1, 2)]


def test_streams_without_a_run(engine: Engine, path: Path) -> None:
    """Each has an id of its own in the table."""
    saving = save_events(engine)
    for _ in range(2):
        list(through(saving, numbered(1), None))
    names = {row[0] for row in rows(path, "run")}
    assert len(names) == 2
    assert all(name.startswith("stream-") for name in names)


@pytest.mark.parametrize("value", [{"pages": 3}, [1, 2], "text", 5, None, True])
def test_the_result(engine: Engine, value: Any) -> None:
    """It is saved before it is passed on; other events are not."""
    seen = list(through(save_result(engine), [progress("one"), result(value)]))
    assert [each.name for each in seen] == ["progress", "result"]
    table = results_table()
    with engine.connect() as connection:
        assert connection.execute(select(table.c.run, table.c.result)).all() == [("run-1", value)]


def references(*keys: str) -> Event:
    """A result that refers to these partials."""
    return result({"pages": [{"$partial": key} for key in keys]})


def saved_result(engine: Engine) -> Any:
    """The one row of the results."""
    with engine.connect() as connection:
        return connection.execute(select(results_table().c.result)).scalar_one()


def test_a_result_that_refers_to_partials(engine: Engine) -> None:
    """It is saved with their newest values; what is passed on keeps the references; other keys stay in both."""
    sent = [partial("1", {"page": 0}), partial("2", None), partial("1", {"page": 1}), RawEvent("partial", b"text")]
    events = [*sent, Event("partial", b"[3]", text=True), references("1", "2", "3")]
    assert list(through(save_result(engine), events)) == events
    assert saved_result(engine) == {"pages": [{"page": 1}, None, {"$partial": "3"}]}


@pytest.mark.parametrize(("held", "resolved"), [(42, True), (41, False)])
def test_more_partials_than_are_held(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, held: int, resolved: bool
) -> None:
    """The result is saved with all its references; a partial in the place of another one takes its room."""
    monkeypatch.setattr("streaming.gateways.saving.HELD_BYTES", held)
    pages = [partial("1", 0), partial("1", 1), partial("2", 2)]  # 21 bytes each
    assert list(through(save_result(engine), [*pages, references("1", "2")]))
    assert saved_result(engine) == {"pages": [1, 2] if resolved else [{"$partial": "1"}, {"$partial": "2"}]}


def test_no_result(engine: Engine, path: Path) -> None:
    """A stream without a result writes nothing."""
    assert len(list(through(save_result(engine), numbered(3)))) == 3
    assert not path.exists()


def test_a_url(path: Path) -> None:
    """Instead of an engine a URL will do: the engine is made in the worker, on first use."""
    list(through(save_events(f"sqlite:///{path}"), numbered(2)))
    assert len(rows(path)) == 2


def test_a_failure_of_the_upstream(engine: Engine, path: Path) -> None:
    """The error comes after the events before it, which are saved."""

    def failing() -> Iterator[Event]:
        yield from numbered(2)
        raise OperationError("upstream_failed", "No more.")

    seen: list[Any] = []
    with pytest.raises(OperationError, match="No more"):
        seen.extend(through(save_events(engine), failing()))
    assert len(seen) == len(rows(path)) == 2


def test_the_source_is_closed(engine: Engine) -> None:
    """When the run stops, its upstream is closed, even while it waits."""
    closed = []

    def endless() -> Iterator[Event]:
        try:
            yield event("row")
            gevent.sleep(60)
        finally:
            closed.append(True)

    events = through(save_events(engine), endless())
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert closed


def test_a_fast_source_waits(engine: Engine) -> None:
    """The number of events that wait to be saved is limited."""
    made = []

    def fast() -> Iterator[Event]:
        for each in numbered(10 * MOST_WAITING):
            made.append(each)
            yield each

    events = through(save_events(engine), fast())
    next(events)
    gevent.sleep(0.05)
    assert len(made) <= 2 * MOST_WAITING
    events.close()  # type: ignore[attr-defined]


# A database that is away


def test_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By default the run fails with an error that says nothing about the database, and nothing has been passed on."""
    seen: list[Any] = []
    with pytest.raises(OperationError) as raised:
        seen.extend(through(save_events(f"sqlite:///{tmp_path}/missing/folder.db"), numbered(3)))
    assert not seen
    assert (raised.value.code, raised.value.retryable) == ("operation_failed", True)
    assert "sqlite" not in str(raised.value)
    assert "run run-1 fails, because its events could not be saved: OperationalError" in caplog.text


def test_pass(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With this policy the run goes on; the log says so at first, and at the end how many rows are missing."""
    saving = save_events(f"sqlite:///{tmp_path}/missing/folder.db", on_error="pass")
    assert len(list(through(saving, numbered(7)))) == 7
    assert caplog.text.count("passed on without being saved") == 1
    assert "of run run-1, 7 rows were not saved" in caplog.text


@pytest.fixture
def locked(engine: Engine, path: Path) -> Iterator[sqlite3.Connection]:
    """The database, locked by another writer."""
    list(through(save_events(engine), numbered(1), "earlier"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield other


def test_a_slow_database_stops_a_run(engine: Engine, path: Path, locked: sqlite3.Connection) -> None:
    """A batch that takes longer than `within` counts as not saved; meanwhile other greenlets run."""
    saving = save_events(engine, within=0.2)
    turns: list[float] = []

    def tick() -> None:
        while True:
            gevent.sleep(0.01)
            turns.append(0.01)

    ticking = gevent.spawn(tick)
    with pytest.raises(OperationError):
        list(through(saving, numbered(3)))
    ticking.kill()
    assert len(turns) >= 3
    locked.execute("rollback")
    wait_until(lambda: is_saved(saving, path, "run-2"), "it answers again")


def is_saved(saving: Transform, path: Path, run: str) -> bool:
    """Whether the events of another run are saved."""
    with contextlib.suppress(OperationError):
        list(through(saving, numbered(1), run))
    return (run,) in rows(path, "run")


def test_a_slow_database_delays_a_run_once(engine: Engine, path: Path, locked: sqlite3.Connection) -> None:
    """Not with every batch, if the policy is `pass`; once it answers, rows are saved again."""
    saving = save_events(engine, within=0.2, on_error="pass")

    def one_by_one() -> Iterator[Event]:
        for each in numbered(20):
            gevent.sleep(0.01)
            yield each

    with gevent.Timeout(10):
        assert len(list(through(saving, one_by_one()))) == 20
    locked.execute("rollback")
    wait_until(lambda: is_saved(saving, path, "run-2"), "it answers again")


def test_one_run_does_not_fail_another(path: Path) -> None:
    """Rows that the database refuses fail only their own run, although they share a transaction with others."""
    choosy = Table(
        "choosy",
        MetaData(),
        Column("run", String, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("name", String),
        Column("data", String),
        Column("saved", DateTime),
        CheckConstraint("name <> 'bad'"),
    )
    saving = save_events(create_engine(f"sqlite:///{path}"), table=choosy)

    def one(name: str) -> list[Any]:
        return list(through(saving, [RawEvent(name, b"text")], f"run-{name}"))

    runs = {name: gevent.spawn(one, name) for name in ("good", "bad", "fine")}
    gevent.joinall(list(runs.values()), timeout=30)
    assert [run.successful() for run in runs.values()] == [True, False, True]
    assert {row[0] for row in rows(path, "run", "choosy")} == {"run-good", "run-fine"}


def test_other_tables(engine: Engine, path: Path) -> None:
    """A table of another name is created like the usual one."""
    list(through(save_events(engine, table=events_table("steps")), numbered(1)))
    list(through(save_result(engine, table=results_table("outcomes")), [result(1)]))
    assert len(rows(path, table="steps")) == len(rows(path, "run", "outcomes")) == 1


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"within": 0}, {"within": -1}])
def test_wrong_options(engine: Engine, options: dict[str, Any]) -> None:
    """They are refused where the transform is made."""
    with pytest.raises(RegistrationError):
        save_events(engine, **options)


def test_columns_about_the_run(engine: Engine, path: Path) -> None:
    """A table that has them gets the operation, the owner and the input; outside of a run they are null."""
    table = events_table()
    for column in (Column("operation", String(64)), Column("owner", String(512)), Column("input", JSON)):
        table.append_column(column)

    class Question(BaseModel):
        city: str

    current = CurrentRun("run-1", "work", "ann", 1, Question(city="Bern"))
    for name, context in (("run-1", RunContext(Worker.current(), current)), ("run-2", None)):
        token = run_context.set(context)
        try:
            list(through(save_events(engine, table=table), numbered(1), name))
        finally:
            run_context.reset(token)
    assert rows(path, "run, operation, owner, input") == [
        ("run-1", "work", "ann", '{"city": "Bern"}'),
        ("run-2", None, None, "null"),
    ]
