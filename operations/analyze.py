"""`analyze`: SQL, or a question that the model turns into SQL, over files or over a data set that ships.

The files (CSV, JSON, Parquet) become tables named after them, the first also `data`. The statement runs in a DuckDB of
the run's own, in a process with bounds on its memory, which can read these tables and nothing else (`analytics`).
Viewers get the tables, the SQL, the columns and the rows as `partial`s as soon as they are there; the result holds them
once more, with a chart where their shape suggests one.

A run that cannot give a result ends with one of these codes, or with one of the model's (`llm.errors`):

    empty_file, unreadable_file    a file is not what it should be
    wrong_sql                      DuckDB does not understand the statement, or cannot do what it says
    not_a_query                    it is none, several, or one that does more than read
    not_allowed                    it reaches for something else than the run's tables
    too_large                      it wants more memory than a run may have, or gives a value of over 64 KB
    timeout                        it takes longer than `SECONDS`
    no_answer                      the model has found no SQL that works, within `ATTEMPTS`
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from typing import Annotated, Any, Final, Literal, cast

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from streaming import Event, OperationError, Upload, operation, partial, progress

from .analytics.charts import chart
from .analytics.engine import Engine
from .analytics.queries import KIND, SECONDS, Answer, Table, plain
from .analytics.sources import SAMPLE, Source, sources
from .analytics.wording import named
from .llm import connect, fill, place, user
from .turns import Turn

MOST_ROWS: Final = 10_000
MOST_BYTES: Final = 4 << 20
"""Of JSON in the rows of one result: what comes after the batch that reaches this is left out."""
MOST_FILES: Final = 20
ATTEMPTS: Final = 3
"""How often the model may try."""

MENDABLE: Final = frozenset({"wrong_sql", "not_a_query", "not_allowed", "model_unfit"})
"""What is wrong with the model's SQL alone, and may be right with its next."""

SHOWN_TABLES: Final = 8
SHOWN_COLUMNS: Final = 40
SHOWN_ROWS: Final = 3
SHOWN_WORDS: Final = 20
SHOWN_VALUE: Final = 40
"""How much of the tables stands in the prompt: of their rows, of the words of a column of text, of a value."""
WRITTEN: Final = 400
"""Tokens that the model may write at a time."""
AGAIN_TEMPERATURE: Final = 0.6
"""Of later attempts: a model that is sure of itself repeats what did not work."""


def _without_blanks(value: Any) -> Any:
    """A form sends a file that nobody chose as an empty one without a name."""
    files = value if isinstance(value, list) else [value]
    return [file for file in files if not (isinstance(file, Upload) and not file.filename and not file.size)]


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


class Analysis(BaseModel):
    """The files, and what is to be known of them."""

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[str | None, BeforeValidator(_none_if_blank)] = Field(
        default=None,
        title="SQL",
        description="One statement of DuckDB's SQL that reads the tables.",
        examples=["SELECT city, round(sum(quantity * price)) AS income FROM orders GROUP BY city ORDER BY income DESC"],
        max_length=20_000,
    )
    question: Annotated[str | None, BeforeValidator(_none_if_blank)] = Field(
        default=None,
        title="Question",
        description="Instead of SQL: a question in plain words, which the language model turns into SQL.",
        examples=["Which city orders the most?"],
        max_length=2_000,
        validate_default=True,
    )
    file: Annotated[list[Upload], BeforeValidator(_without_blanks)] = Field(
        default=[],
        title="Files",
        description="CSV, JSON or Parquet, a table for each, named after it and the first also `data`. Without any: "
        "`orders` and `products`, a year of a bicycle shop that does not exist.",
        max_length=MOST_FILES,
    )
    limit: int = Field(
        default=1_000,
        title="Rows",
        description="How many rows the result has at the most.",
        examples=[1_000],
        ge=1,
        le=MOST_ROWS,
    )

    @field_validator("question")
    @classmethod
    def _one_of_both(cls, question: str | None, info: ValidationInfo) -> str | None:
        if "sql" in info.data and (question is None) == (info.data["sql"] is None):
            raise ValueError("give either sql or a question")
        return question


class Result(Answer):
    """What the statement gave, with what was asked and, where one fits, a chart (Vega-Lite)."""

    question: str | None
    chart: dict[str, Any] | None


Work = Generator[Event, None, Result]


def _place(input: Analysis) -> Literal["greenlet", "thread"]:
    """SQL alone is a thread's work; a model is asked where sockets can be waited for."""
    return "thread" if input.question is None else place()


@operation(title="Analyze data", runs_in="thread", where=_place)
def analyze(input: Analysis) -> Work:
    """Answers SQL, or a question in plain words, over CSV, JSON and Parquet files; with a chart where one fits."""
    found = sources(input.file or SAMPLE)
    with Turn(KIND) as turn:
        yield from turn.wait()
        with Engine() as engine:
            tables = yield from _loaded(engine, found)
            if input.sql is not None:
                result = yield from _answered(engine, tables, input.sql, input)
            else:
                result = yield from _found_out(engine, tables, input)
        return _encoded(result)


def _encoded(result: Result) -> Result:
    """The same as JSON that is ready: made by the library, a large one would take the hub a quarter of a second."""
    return cast("Result", orjson.Fragment(orjson.dumps(result)))


def _loaded(engine: Engine, found: Sequence[Source]) -> Generator[Event, None, list[Table]]:
    tables: list[Table] = []
    yield progress("Reading the data", done=0, total=len(found), unit="files", step="load")
    for message in engine.load(found):
        if "loaded" in message:
            tables.append(message["loaded"])
            read = f"Read {tables[-1]['file']}: {tables[-1]['rows']:,} rows"
            yield progress(read, done=len(tables), total=len(found), unit="files", step="load")
        elif "progress" in message:
            done = len(tables) + message["progress"] / 100
            yield progress("Reading the data", done=done, total=len(found), unit="files", step="load")
    yield partial("tables", tables)
    return tables


# --- a statement -----------------------------------------------------------------------------------------------------


class _Rows:
    """The rows as they come in, up to the limits of a result."""

    def __init__(self, limit: int) -> None:
        self.columns: list[dict[str, str]] = []
        self.rows: list[dict[str, Any]] = []
        self.truncated = False
        self._limit = limit
        self._batches = 0
        self._bytes = 0

    def add(self, batch: list[dict[str, Any]]) -> Event | None:
        """The next batch, as viewers get it; `None`, and `truncated` from then on, where there is no room for more."""
        room = self._limit - len(self.rows) if self._bytes < MOST_BYTES else 0
        self.truncated = len(batch) > room
        if not room:
            return None
        self._batches += 1
        told = partial(f"rows-{self._batches}", batch[:room])
        self.rows += batch[:room]
        self._bytes += len(told.body)
        return told


def _answered(engine: Engine, tables: list[Table], sql: str, input: Analysis, step: str = "query") -> Work:
    """Runs a statement and passes its answer on as it comes."""
    came = _Rows(input.limit)
    yield progress("Running the statement", step=step)
    for message in engine.ask(sql, input.limit + 1, SECONDS):
        if "progress" in message:
            yield progress("Running the statement", done=message["progress"], total=100, unit="percent", step=step)
        elif "columns" in message:
            came.columns = message["columns"]
            yield partial("columns", plain(came.columns))
        elif "rows" in message:
            told = came.add(message["rows"])
            if told is not None:
                yield told
            if came.truncated:
                break
    yield progress(_count(came), done=100, total=100, unit="percent", step=step)
    picture = None if came.truncated else chart(came.columns, came.rows)
    if picture is not None:
        yield partial("chart", picture)
    return Result(
        sql=sql,
        question=input.question,
        tables=tables,
        columns=plain(came.columns),
        rows=came.rows,
        truncated=came.truncated,
        chart=picture,
    )


def _count(came: _Rows) -> str:
    if came.truncated:
        return f"Stopped at {len(came.rows):,} rows: there are more than the result may have."
    return "One row" if len(came.rows) == 1 else f"{len(came.rows):,} rows"


# --- a question ------------------------------------------------------------------------------------------------------


def _found_out(engine: Engine, tables: list[Table], input: Analysis) -> Work:
    """Has the model write the statement, and shows it what DuckDB says of it until it works."""
    model = yield from connect()
    messages = [user((yield from _prompt(engine, tables[:SHOWN_TABLES], input.question or "")))]
    complaint = ""
    for attempt in range(1, ATTEMPTS + 1):
        yield progress("Asking the model for SQL", step=f"model-{attempt}")
        sql = ""
        try:
            temperature = 0.0 if attempt == 1 else AGAIN_TEMPERATURE
            filled, _ = yield from fill(
                model, messages, SCHEMA, max_tokens=WRITTEN, temperature=temperature, step=f"prompt-{attempt}"
            )
            sql = str(filled["sql"])
            yield partial("sql", sql)
            return (yield from _answered(engine, tables, sql, input, step=f"query-{attempt}"))
        except OperationError as error:
            if error.code not in MENDABLE:
                raise
            complaint = error.message
        yield progress(f"That does not work: {complaint.partition(chr(10))[0]}", step=f"query-{attempt}")
        if sql:
            messages += [{"role": "assistant", "content": json.dumps({"sql": sql})}, user(AGAIN.format(complaint))]
    raise OperationError("no_answer", f"The model has found no SQL that works. The last try: {complaint}")


SCHEMA: Final = {
    "type": "object",
    "properties": {"sql": {"type": "string", "minLength": 1, "maxLength": 2_000}},
    "required": ["sql"],
    "additionalProperties": False,
}

PROMPT: Final = """You write SQL for DuckDB. These are the tables, with their columns and some of their rows:

{tables}

Write one SELECT statement that answers the question. Use only these tables and columns, with names as they stand here;
join tables on columns of the same name. Months of a time t are date_trunc('month', t). Show what is counted or summed
beside what it belongs to.
Reply with JSON: {{"sql": "SELECT ..."}}
{examples}

Question: {question}"""

AGAIN: Final = """DuckDB refused that statement:

{}

Write one that works. Reply with JSON: {{"sql": "SELECT ..."}}"""


def _prompt(engine: Engine, tables: Sequence[Table], question: str) -> Generator[Event, None, str]:
    told = []
    for table in tables:
        yield progress(f"Looking at {table['name']}", step="tables")
        told.append(_as_created(engine, table))
    return PROMPT.format(tables="\n\n".join(told), examples="\n".join(_examples(tables)), question=question)


def _examples(tables: Sequence[Table]) -> Iterator[str]:
    """Questions about the tables with their SQL, a join among them: what small models lean on."""
    first, second = tables[0], tables[min(1, len(tables) - 1)]
    name, numbers = named(first["name"]), _of_type(first, NUMBERS)[:1]
    yield _example(f"How many rows are in {name}?", f"SELECT count(*) AS n FROM {name}")  # noqa: S608  # names only
    for text, number in zip(_of_type(first, ("VARCHAR",)), numbers, strict=False):
        yield _grouped(text, number, name)
    shared = [column["name"] for column in second["columns"] if column in first["columns"] and second is not first]
    others = [text for text in _of_type(second, ("VARCHAR",)) if text not in map(named, shared)]
    for text, number, key in zip(reversed(others), numbers, map(named, shared), strict=False):
        yield _grouped(text, number, f"{name} JOIN {named(second['name'])} USING ({key})")


NUMBERS: Final = ("BIGINT", "DOUBLE", "INTEGER", "DECIMAL")


def _grouped(text: str, number: str, table: str) -> str:
    return _example(
        f"What is the sum of {number} for each {text}?",
        f"SELECT {text}, sum({number}) AS total FROM {table} GROUP BY {text} ORDER BY total DESC",  # noqa: S608
    )


def _example(question: str, sql: str) -> str:
    return f"\nQuestion: {question}\n{json.dumps({'sql': sql}, ensure_ascii=False)}"


def _of_type(table: Table, types: Sequence[str]) -> list[str]:
    return [named(column["name"]) for column in table["columns"] if column["type"].partition("(")[0] in types]


def _as_created(engine: Engine, table: Table) -> str:
    """A table as it would be created, with some of its rows, and the words of its columns of text that have few."""
    columns = table["columns"][:SHOWN_COLUMNS]
    names = [named(column["name"]) for column in columns]
    definition = ", ".join(f"{name} {column['type']}" for name, column in zip(names, columns, strict=True))
    lines = [f"CREATE TABLE {named(table['name'])} ({definition}); -- {table['rows']} rows"]
    rows = _looked_up(engine, ", ".join(map(_short, names)), table, SHOWN_ROWS)
    lines += [json.dumps(list(row.values()), ensure_ascii=False) for row in rows]
    for name, column in zip(names, columns, strict=True):
        if column["type"] == "VARCHAR":
            words = _looked_up(engine, f"DISTINCT {_short(name)}", table, SHOWN_WORDS + 1)
            if len(words) <= SHOWN_WORDS:
                lines.append(f"-- {name} is one of: {', '.join(sorted(str(*word.values()) for word in words))}")
    return "\n".join(lines)


def _short(name: str) -> str:
    return f"left(CAST({name} AS VARCHAR), {SHOWN_VALUE})"


def _looked_up(engine: Engine, what: str, table: Table, limit: int) -> list[dict[str, Any]]:
    sql = f"SELECT {what} FROM {named(table['name'])}"  # noqa: S608  # names in quotes where they need them
    return [row for message in engine.ask(sql, limit, SECONDS) for row in message.get("rows", ())]
