"""Asks `analyze` twenty questions about the sample data, and prints how many it answers rightly.

`python -m bench.questions --base-url http://127.0.0.1:8081/v1` asks the model of that server. An answer is right, wrong
and told (with a warning, or an error), or wrong and not told, which must not be. What is right is known by SQL of ours.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import orjson

from operations.analytics.queries import run_sql
from operations.analyze import Analysis, analyze
from streaming import OperationError

KINDS: Final = ("right", "wrong-and-told", "wrong-and-not-told")

ORDERS: Final = "FROM orders"
BOTH: Final = "FROM orders JOIN products USING (product)"
QUESTIONS: Final[dict[str, str | None]] = {
    "How many orders are there?": f"SELECT count(*) {ORDERS}",
    "Which city orders the most?": f"SELECT city {ORDERS} GROUP BY city ORDER BY count(*) DESC LIMIT 1",
    "How many orders came from Porto?": f"SELECT count(*) {ORDERS} WHERE city = 'Porto'",
    "What is the income of each city?": f"SELECT sum(quantity * orders.price) {ORDERS} GROUP BY city",
    "What is the average rating of the orders from Ghent?": f"SELECT avg(rating) {ORDERS} WHERE city = 'Ghent'",
    "How many orders are there for each channel?": f"SELECT count(*) {ORDERS} GROUP BY channel",
    "How many orders were there in March 2025?": f"SELECT count(*) {ORDERS} WHERE month(ordered) = 3",
    "What was the income in each month?": f"SELECT sum(quantity * price) {ORDERS} GROUP BY month(ordered)",
    "On which weekday are most orders made?": f"SELECT mode(dayname(ordered)) {ORDERS}",
    "How many pieces were sold of each category?": f"SELECT sum(quantity) {BOTH} GROUP BY category",
    "What is the name of the most expensive product?": "SELECT name FROM products ORDER BY price DESC LIMIT 1",
    "How many products does each category have?": "SELECT count(*) FROM products GROUP BY category",
    "How many orders have no rating?": f"SELECT count(*) {ORDERS} WHERE rating IS NULL",
    "What share of the orders was made in the shop, in percent?": f"SELECT 100 * avg((channel = 'shop')::INT) {ORDERS}",
    "Which product name was sold most often?": f"SELECT name {BOTH} GROUP BY name ORDER BY sum(quantity) DESC LIMIT 1",
    "What is the highest price in the orders of Amsterdam?": f"SELECT max(price) {ORDERS} WHERE city = 'Amsterdam'",
    "How many cities are there?": f"SELECT count(DISTINCT city) {ORDERS}",
    "Which customer ordered the most?": None,
    "How many orders came from Lisbon?": None,
    "What is the profit per supplier?": None,
}
"""Questions with the SQL of a right answer; None where the data has none, which has to be told."""


def main() -> None:
    """Asks the questions, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.questions", description=__doc__)
    parser.add_argument("--base-url", help="an OpenAI-compatible server; without it, the embedded model")
    parser.add_argument("--only", type=int, help="the number of one question, from 1")
    options = parser.parse_args()
    if options.base_url:
        os.environ |= {"HEADWAY_LLM_BASE_URL": options.base_url, "HEADWAY_LLM_MODEL": "default"}
    counts: Counter[str] = Counter()
    for number, (question, sql) in enumerate(QUESTIONS.items(), 1):
        if options.only in (None, number):
            begun = time.monotonic()
            kind, said = outcome(question, sql)
            counts[kind] += 1
            print(f"{kind:20}{time.monotonic() - begun:6.1f} s  {question}  {said}", flush=True)
    print(", ".join(f"{kind} {counts[kind]}" for kind in KINDS))
    sys.exit(counts[KINDS[2]] > 0)


def outcome(question: str, sql: str | None) -> tuple[str, str]:
    """What became of a question, and the model's statement, or why there is none."""
    work = analyze.fn(Analysis(question=question))
    result: Any = None
    try:
        while True:
            next(work)
    except StopIteration as end:
        result = orjson.loads(orjson.dumps(end.value))
    except OperationError as error:
        return KINDS[1], f"{error.code}: {error.message}"
    said = f"{result['sql']}  {[warning['code'] for warning in result['warnings']] or ''}"
    if sql is not None and is_right(result["rows"], list(values(run_sql(sql)["rows"]))):
        return KINDS[0], said
    return (KINDS[1] if result["warnings"] else KINDS[2]), said


def is_right(rows: list[dict[str, Any]], expected: list[Any]) -> bool:
    """Whether each expected value is in the answer; one value alone has to stand in its first row."""
    found = list(values(rows[:1] if len(expected) == 1 else rows))
    return all(any(_same(value, each) for each in found) for value in expected)


def values(rows: list[dict[str, Any]]) -> Iterator[Any]:
    """All values of some rows."""
    for row in rows:
        yield from row.values()


def _same(one: Any, other: Any) -> bool:
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-3)
    except (TypeError, ValueError):
        return str(one) == str(other)


if __name__ == "__main__":
    main()
