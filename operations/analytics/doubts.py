"""Why a statement that a model wrote may not answer its question, although DuckDB runs it.

Each condition of a WHERE is tried by itself: one that no row fulfils leaves nothing to count, and `sum` and `count` of
nothing look like an answer. A condition for one day does not answer a question about a month. Words by which the
question groups, such as "which customer", have to be in the data. The first of several that share its place is there by
chance; a column may have a namesake in a table that is joined; weekdays may be numbers. The statement's tree is that of
DuckDB's `json_serialize_sql`, and the words are English: of other languages nothing is said.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from streaming import OperationError

from ..form.months import months_of
from ..form.words import normalize
from .engine import Engine
from .queries import SECONDS, Table, Warned
from .sql import identifier, quote

MOST: Final = 8
"""Conditions of a statement that are tried."""
NEAREST: Final = 3
"""Values of a column that are named beside one that it does not have."""

Node = dict[str, Any]


class Doubt(NamedTuple):
    """What is wrong, for the model and for people, and whether another statement can be better."""

    warning: Warned
    retry: bool


def doubts(engine: Engine, tables: Sequence[Table], question: str, sql: str) -> list[Doubt]:
    """The doubts about a statement; none about one that DuckDB refuses."""
    tree = _tree(engine, sql)
    selects = [select for select in _selects(tree) if select.get("where_clause")][:MOST]
    found = [doubt for select in selects for doubt in _of_select(engine, tables, question, select)]
    return [*found, *_ties(engine, tree), *_namesakes(tables, tree), *_weekdays(question, tree)]


def not_in_data(engine: Engine, tables: Sequence[Table], question: str) -> list[Doubt]:
    """The words by which the question groups that are no column, table or value."""
    asked = {word.lower() for match in _GROUPED.finditer(question) for word in match.groups() if word}
    missing = sorted(word for word in asked - _TIMES - _PLAIN if not _is_known(engine, tables, word))
    return [
        Doubt(
            Warned(code="not_in_data", message=f"The data has no column for “{word}”; the answer uses another."), False
        )
        for word in missing
    ]


def _tree(engine: Engine, sql: str) -> Any:
    text = _values(engine, f"SELECT CAST(json_serialize_sql({quote(sql, chr(39))}) AS VARCHAR)")
    return orjson.loads(text[0]) if text else {}


def _values(engine: Engine, sql: str, limit: int = 1) -> list[Any]:
    """The first column of some rows."""
    rows = [row for message in engine.ask(sql, limit, SECONDS) for row in message.get("rows", ())]
    return [next(iter(row.values())) for row in rows]


def _nodes(tree: Any) -> Iterator[Node]:
    """All nodes of a tree."""
    if isinstance(tree, dict):
        yield tree
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(each)


def _selects(tree: Any) -> Iterator[Node]:
    """The SELECTs in a tree, at any depth."""
    return (node for node in _nodes(tree) if node.get("type") == "SELECT_NODE")


def _conditions(clause: Node) -> list[Node]:
    if clause.get("type") == "CONJUNCTION_AND":
        return [condition for child in clause["children"] for condition in _conditions(child)]
    return [clause]


def _of_select(engine: Engine, tables: Sequence[Table], question: str, select: Node) -> Iterator[Doubt]:
    for condition in _conditions(select["where_clause"])[:MOST]:
        column, value = _comparison(condition)
        found = next((each for table in tables for each in table["columns"] if each["name"] == column), None)
        kind = found["type"] if found else ""
        if kind in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE") and _is_a_month(question, value):
            name = identifier(column)
            message = f"{name} = {value!r} is one day; the question is about a month: date_trunc('month', {name}) = ..."
            yield Doubt(Warned(code="one_day", message=message), True)
        elif unfulfilled := _unfulfilled(engine, select, condition):
            in_column = (column, value) if kind == "VARCHAR" else None
            yield _nothing(engine, tables, question, unfulfilled, in_column)


def _comparison(condition: Node) -> tuple[str, str]:
    """The column and the text of `column = 'text'`; empty for other conditions."""
    left, right = condition.get("left") or {}, condition.get("right") or {}
    while right.get("class") == "CAST":
        right = right["child"]
    literal = right.get("literal") or {}
    equal = condition.get("type") == "COMPARE_EQUAL" and left.get("class") == "COLUMN_REF"
    return (left["column_names"][-1], literal["text"]) if equal and literal.get("kind") == "STRING" else ("", "")


def _unfulfilled(engine: Engine, select: Node, condition: Node) -> str:
    """One of a SELECT's conditions as SQL, if no row of its tables fulfils it; else nothing."""
    one = {**select, "where_clause": condition, "group_expressions": [], "group_sets": [], "having": None}
    one |= {"qualify": None, "modifiers": [], "aggregate_handling": "STANDARD_HANDLING", "select_list": [_ONE]}
    try:
        sql = _statement(engine, one)
        return "" if _values(engine, f"{sql} LIMIT 1") else str(sql).partition(" WHERE ")[2]
    except OperationError:  # a part of a statement that does not stand alone, as in a correlated query
        return ""


def _statement(engine: Engine, select: Node) -> str:
    """A SELECT of a tree as SQL. Raises `OperationError` for one that is none by itself."""
    tree = orjson.dumps({"error": False, "statements": [{"node": select, "named_param_map": []}]}).decode()
    [sql] = _values(engine, f"SELECT json_deserialize_sql(CAST({quote(tree, chr(39))} AS JSON))")
    return str(sql)


def _nothing(
    engine: Engine, tables: Sequence[Table], question: str, condition: str, compared: tuple[str, str] | None
) -> Doubt:
    """No row fulfils a condition. No statement is better where it is the question that names a value like no other."""
    message = f"No row fulfils {condition}."
    if compared is None:
        return Doubt(Warned(code="no_row", message=message), True)
    column, value = compared
    near = _nearest(engine, tables, column, value)
    same = any(each.casefold() == value.casefold() for each in near)
    message += f" The most similar values are {', '.join(map(repr, near))}."
    return Doubt(Warned(code="no_row", message=message), same or value.casefold() not in question.casefold())


def _nearest(engine: Engine, tables: Sequence[Table], column: str, value: str) -> list[str]:
    table = next(table for table in tables if any(each["name"] == column for each in table["columns"]))
    values = f"SELECT DISTINCT {identifier(column)} AS value FROM {identifier(table['name'])}"  # noqa: S608  # names only
    similar = f"jaro_winkler_similarity(lower(value), lower({quote(value, chr(39))}))"
    return _values(engine, f"FROM ({values}) WHERE value IS NOT NULL ORDER BY {similar} DESC", NEAREST)


_ONE: Final = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "query_location": 0,
    "literal": {"kind": "INTEGER", "text": "1"},
}


# --- the outcome -----------------------------------------------------------------------------------------------------


def _ties(engine: Engine, tree: Any) -> Iterator[Doubt]:
    """The first row of a whole statement, where the second has the same place in its order."""
    for statement in tree.get("statements", ()):
        select = statement["node"]
        modifiers = {each["type"]: each for each in select.get("modifiers", ())}
        limit = (modifiers.get("LIMIT_MODIFIER") or {}).get("limit") or {}
        order = modifiers.get("ORDER_MODIFIER")
        if select["type"] != "SELECT_NODE" or order is None or (limit.get("literal") or {}).get("text") != "1":
            continue
        two = {**modifiers["LIMIT_MODIFIER"], "limit": {**limit, "literal": {"kind": "INTEGER", "text": "2"}}}
        keys = [each["expression"] for each in order["orders"]]
        both = {**select, "select_list": select["select_list"] + keys, "modifiers": [order, two]}
        try:
            sql = _statement(engine, both)
            rows = [row for message in engine.ask(sql, 2, SECONDS) for row in message.get("rows", ())]
        except OperationError:
            continue
        places = [[*row.values()][-len(keys) :] for row in rows]
        if len(places) == 2 and places[0] == places[1]:
            message = "Several have the same place in the order: which of them comes first is chance."
            yield Doubt(Warned(code="tie", message=message), True)


def _namesakes(tables: Sequence[Table], tree: Any) -> Iterator[Doubt]:
    """A column of a table that is joined to one that has it too, and that is not what joins them."""
    columns = {table["name"]: {each["name"] for each in table["columns"]} for table in tables}
    for select in _selects(tree):
        joined = {node["table_name"]: node.get("alias") or node["table_name"] for node in _tables_of(select)}
        using = {name for node in _nodes(select.get("from_table")) for name in node.get("using_columns", ())}
        by_alias = {alias: name for name, alias in joined.items()}
        for node in _nodes([select["select_list"], select.get("where_clause")]):
            path = node.get("column_names") or []
            own = by_alias.get(path[0], "") if len(path) == 2 else ""
            first = next(iter(joined), "")
            if own and own != first and path[1] in columns.get(first, ()) and path[1] not in using:
                message = f"{first} has a column {path[1]} too; the answer uses that of {own}."
                yield Doubt(Warned(code="two_columns", message=message), False)


def _tables_of(select: Node) -> Iterator[Node]:
    return (node for node in _nodes(select.get("from_table")) if node.get("type") == "BASE_TABLE")


_WEEKDAYS: Final = {"weekday": "0 for Sunday", "dayofweek": "0 for Sunday", "isodow": "1 for Monday"}


def _weekdays(question: str, tree: Any) -> Iterator[Doubt]:
    """A number in place of the name of a weekday, and that of the first day of a month."""
    if not re.search(r"\b(?:which|what) (?:day of the week|weekday)", question, re.IGNORECASE):
        return
    for select in _selects(tree):
        for node in _nodes(select["select_list"]):
            first = _WEEKDAYS.get(str(node.get("function_name")))
            if first:
                message = f"The weekday is a number, {first}: dayname(t) is its name."
                yield Doubt(Warned(code="weekday_number", message=message), True)
            inner = {each.get("function_name") for each in _nodes(node.get("arguments"))}
            if node.get("function_name") in {*_WEEKDAYS, "dayname"} and "date_trunc" in inner:
                message = "The weekday is that of the first day of a longer time: take that of the time itself."
                yield Doubt(Warned(code="one_day", message=message), True)


# --- the question ----------------------------------------------------------------------------------------------------

_FIRST_DAY: Final = re.compile(r"\d{4}-\d\d-01( 00:00:00)?")
_DAY: Final = re.compile(r"\b(?:[1-9]|[12]\d|3[01])(?:st|nd|rd|th|\.)?\b", re.IGNORECASE)
_ISO_MONTH: Final = re.compile(r"\b\d{4}-\d\d\b(?!-)")


def _is_a_month(question: str, value: str) -> bool:
    """Whether a condition for the first of a month stands where the question names a month, and no day."""
    named = any(months_of(normalize(word)) for word in re.findall(r"[^\W\d_]+", question)) or _ISO_MONTH.search(
        question
    )
    return bool(_FIRST_DAY.fullmatch(value) and named and not _DAY.search(question))


_GROUPED: Final = re.compile(r"\b(?:which|what|each|every|per|by)\s+(?:single\s+)?([a-z]{3,})\b", re.IGNORECASE)
_TIMES: Final = frozenset(re.findall(r"\w+", "second minute hour day date week weekday month quarter year time"))
_PLAIN: Final = frozenset(
    re.findall(
        r"\w+",
        """
    all and are average can did does each far far had has have how is kind made makes many most much number one ones
    percent percentage row rows share single sort sum the their them these they this those total two type types was were
    which will would you
""",
    )
)
"""Words after "which" or "by" that name nothing in the data."""


def _is_known(engine: Engine, tables: Sequence[Table], word: str) -> bool:
    stem = word.removesuffix("ies").removesuffix("es").removesuffix("s")
    names = [table["name"] for table in tables] + [each["name"] for table in tables for each in table["columns"]]
    parts = [part for name in names for part in re.findall(r"[a-z]{2,}", name.lower())]
    if any(part.startswith(stem) or stem.startswith(part) for part in parts if len(part) > 2):
        return True
    return bool(difflib.get_close_matches(word, parts, 1, 0.8)) or _is_value(engine, tables, stem)


def _is_value(engine: Engine, tables: Sequence[Table], stem: str) -> bool:
    """Whether a text column has a value with this word."""
    pattern = quote(f"%{stem}%", chr(39))
    for table in tables:
        texts = [identifier(each["name"]) for each in table["columns"] if each["type"] == "VARCHAR"]
        where = " OR ".join(f"{name} ILIKE {pattern}" for name in texts)
        if where and _values(engine, f"SELECT 1 FROM {identifier(table['name'])} WHERE {where} LIMIT 1"):  # noqa: S608  # names only
            return True
    return False
