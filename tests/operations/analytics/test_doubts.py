"""A statement of a model that DuckDB runs, and that does not answer its question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from operations.analytics.doubts import doubts, not_in_data
from operations.analytics.engine import Engine
from operations.analytics.queries import Table
from operations.analytics.sources import SAMPLE, sources


@pytest.fixture(scope="module")
def sample() -> Iterator[tuple[Engine, list[Table]]]:
    """The sample data and its tables."""
    with Engine() as engine:
        yield engine, [message["table"] for message in engine.load(sources(SAMPLE)) if "table" in message]


MARCH: Final = "How many orders are there in March 2025?"


@pytest.mark.parametrize(
    ("question", "condition", "code", "retry", "message"),
    [
        ("How many from porto?", "city = 'porto'", "no_row", True, "'Porto'"),  # spelled otherwise
        ("How many from here?", "city = 'Lisbon'", "no_row", True, "(city = 'Lisbon')"),  # the model's own value
        ("How many from Lisbon?", "city = 'Lisbon'", "no_row", False, "(city = 'Lisbon')"),  # the question's
        (MARCH, "ordered = '2025-03-01'", "one_day", True, "date_trunc('month', ordered)"),
        (MARCH, "ordered = DATE '2025-03-01'", "one_day", True, "date_trunc('month', ordered)"),
        ("How many in 2025-03?", "ordered = TIMESTAMP '2025-03-01 00:00:00'", "one_day", True, "one day"),
        ("Which are rated 9?", "rating = 9 AND city = 'Porto'", "no_row", True, "(rating = 9)"),
        ("How many on the web?", "channel ILIKE '%internet%'", "no_row", True, "internet"),
        ("x", "product IN (SELECT product FROM products WHERE category = 'boats')", "no_row", True, "boats"),
    ],
)
def test_conditions(
    sample: tuple[Engine, list[Table]], question: str, condition: str, code: str, retry: bool, message: str
) -> None:
    """Each is tried by itself; what is wrong with it is named."""
    engine, tables = sample
    found = doubts(engine, tables, question, f"SELECT count(*) FROM orders WHERE {condition}")
    assert (found[0].warning["code"], found[0].retry) == (code, retry)
    assert any(message in doubt.warning["message"] for doubt in found)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM orders",
        "SELECT count(*) FROM orders WHERE date_trunc('month', ordered) = '2025-03-01'",
        "SELECT count(*) FROM orders WHERE ordered >= '2025-03-01' AND ordered < '2025-04-01' AND city = 'Porto'",
        """WITH a AS (FROM orders WHERE rating > 4) SELECT city, count(*) AS n FROM a JOIN products USING (product)
        WHERE category = 'bicycles' GROUP BY city HAVING count(*) > 1 ORDER BY n DESC LIMIT 3""",
        "SELECT count(*) FROM orders o WHERE price > (SELECT avg(price) FROM orders i WHERE i.city = o.city)",
        "SELECT nonsense",
        "SELECT",
    ],
)
def test_no_doubt(sample: tuple[Engine, list[Table]], sql: str) -> None:
    """Statements that answer, those with parts that do not stand alone, and those that DuckDB refuses itself."""
    assert doubts(*sample, MARCH, sql) == []


@pytest.mark.parametrize(
    ("question", "missing"),
    [
        ("Which customer bought the most?", ["customer"]),
        ("What is the income by region and by city?", ["region"]),
        ("How many bicycles per employee?", ["employee"]),
        ("Which cities order the most?", []),
        ("What is the income per month?", []),
        ("Average rating by category, and which bicycles are rated best?", []),
        ("Which shop sells how much in total?", []),  # a value of a column
        ("Welche Kundin kauft am meisten?", []),  # words of other languages are not known
    ],
)
def test_words_that_are_not_in_the_data(sample: tuple[Engine, list[Table]], question: str, missing: list[str]) -> None:
    """They are named: whatever the statement groups by, it is something else."""
    assert [re.findall("“(.*)”", doubt.warning["message"]) for doubt in not_in_data(*sample, question)] == [
        [word] for word in missing
    ]


@pytest.mark.parametrize(
    ("question", "sql", "code", "message"),
    [
        (
            "Which product was sold most often?",
            "SELECT name, count(*) AS n FROM products GROUP BY name ORDER BY n DESC LIMIT 1",
            "tie",
            "chance",
        ),
        (
            "What is the income?",
            "SELECT sum(p.price * o.quantity) FROM orders o JOIN products p USING (product)",
            "two_columns",
            "orders has a column price too; the answer uses that of products.",
        ),
        (
            "On which weekday are most orders made?",
            "SELECT isodow(ordered), count(*) AS n FROM orders GROUP BY ALL ORDER BY n DESC LIMIT 1",
            "weekday_number",
            "1 for Monday",
        ),
        (
            "On which weekday are most orders made?",
            "SELECT dayname(date_trunc('month', ordered)) AS d, count(*) FROM orders GROUP BY d",
            "one_day",
            "first day",
        ),
    ],
)
def test_outcomes(sample: tuple[Engine, list[Table]], question: str, sql: str, code: str, message: str) -> None:
    """What an answer shows may be there by chance, of another table, or a number in place of a name."""
    [doubt] = doubts(*sample, question, sql)
    assert doubt.warning["code"] == code
    assert message in doubt.warning["message"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM products ORDER BY price DESC LIMIT 1",
        "SELECT city, count(*) AS n FROM orders GROUP BY city ORDER BY n DESC LIMIT 1",
        "SELECT category, sum(quantity * orders.price) FROM orders JOIN products USING (product) GROUP BY category",
        "SELECT dayname(ordered) AS day, isodow(ordered) FROM orders LIMIT 1",
    ],
)
def test_outcomes_without_doubt(sample: tuple[Engine, list[Table]], sql: str) -> None:
    """One row of several that differ, columns of the orders themselves, and weekdays that nobody asks for."""
    assert doubts(*sample, "Which is it?", sql) == []
