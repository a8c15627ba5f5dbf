"""Expressions for the values of an answer: what is computed, what of the observations it reads, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from operations.tools import units
from operations.tools.expressions import MAX_LENGTH, Evaluation
from operations.tools.values import ExpressionError, plain

SEEN: dict[str, Any] = {
    "o1": [{"name": "Anna", "phone": "117", "weight_g": 340}],
    "o2": {"now": {"temp_c": -2}, "city": "Oslo"},
    "o3": {"now": {"temp_c": 22}, "city": "Lisbon"},
    "o4": {
        "results": [
            {"name": "A", "price": 3.5, "quantity": 2, "day": "2026-03-02", "open": True},
            {"name": "B", "price": 1.25, "quantity": 4, "day": "2026-03-19", "open": False},
        ]
    },
    "o5": {"wind": "12.5 km/h", "length": "3 mi"},
}


def value(expression: str, target: str | None = None) -> Any:
    """The plain value of an expression."""
    return plain(Evaluation(SEEN, target=units.unit_of(target) if target else None).value(expression))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('o1["phone"]', "117"),  # the only entry of a list is meant
        ("o1[0].phone", "117"),
        ('o2["temp_c"]', -2),  # the only one of this name inside
        ('o4["results"][-1]["name"]', "B"),
        ('o4["results"][0:1]', [{"name": "A", "price": 3.5, "quantity": 2, "day": "2026-03-02", "open": True}]),
        ('o3["temp_c"] - o2["temp_c"]', 24),
        ('sum(each["price"] * each["quantity"] for each in o4["results"])', 12),
        ('sum([each["price"] for each in o4]) / len(o4)', Decimal("2.375")),
        ('max(o4, key=lambda each: each["price"])["name"]', "A"),
        ('sorted(o4, key=lambda each: each["price"], reverse=True)[1]["name"]', "B"),
        ('[each["name"] for each in o4 if each["price"] < 2 and not each["open"]]', ["B"]),
        ('"Oslo" if o2["temp_c"] > o3["temp_c"] else "Lisbon"', "Lisbon"),
        ('max({"Oslo": o2["temp_c"], "Lisbon": o3["temp_c"]}, key={"Oslo": -2, "Lisbon": 22}.get)', "Lisbon"),
        ('days_between(o4["results"][0]["day"], o4["results"][1]["day"])', 17),
        ('add_days(o4["results"][0]["day"], 30)', "2026-04-01"),
        ('convert(o5["length"], "mi", "km")', Decimal("4.828032")),
        ('convert(o3["temp_c"], "C", "F")', Decimal("71.6")),
        ('o5["wind"] * 2', 25),
        ('next(each for each in o4 if each["name"] == "b")["quantity"]', 4),
        ('any(each["open"] for each in o4)', True),
        ('o3["temp_c"] > o2["temp_c"] > -10', True),
        ('"os" in o2["city"]', True),
        ("0.1 + 0.2", Decimal("0.3")),
    ],
)
def test_values(expression: str, expected: Any) -> None:
    """The program computes, in decimals."""
    found = value(expression)
    assert round(found, 6) == expected if isinstance(found, Decimal) else found == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('o2["age"]', "there is no 'age' there"),
        ('o9["name"]', "there is no o9; there are o1, o2"),
        ('__import__("os").system("true")', "no function"),
        ("o2.__class__", "no '__class__'"),
        ('"a" * 10', "not a number"),
        ("9 ** 9", "of operators there are"),
        ("o1.append(1)", "no method"),
        ("(lambda: 1)()", "no function"),
        ("[a for a in o4 for b in o4 for c in o4" + " for d in o4" * 20 + "]", "too long"),
        ("sum(" * 40 + "1" + ")" * 40, "entries"),
        ("o1 +", "not an expression"),
        ("1 / 0", "cannot be computed"),
        (f"'{'x' * MAX_LENGTH}'", "too long"),
        ('convert(o1["weight_g"], "g", "km")', "cannot be converted"),
        ("max([])", "empty list"),
    ],
)
def test_what_is_refused(expression: str, message: str) -> None:
    """The message is for the model."""
    with pytest.raises(ExpressionError, match=message):
        value(expression)


def test_much_work_is_refused() -> None:
    """A loop in loops ends."""
    numbers = {"o1": list(range(100))}
    with pytest.raises(ExpressionError, match="takes too long"):
        Evaluation(numbers).value("sum(a * b * c for a in o1 for b in o1 for c in o1)")


def test_what_was_read() -> None:
    """Each leaf that a value is made of, the entries that were picked by their place, and the model's own constants."""
    evaluation = Evaluation(SEEN)
    evaluation.value('o4["results"][1]["price"] * 12')
    assert evaluation.reads == {("o4", "results", 1, "price")}
    assert evaluation.picks == {("o4", "results", 1)}
    assert evaluation.literals == {"12"}


@pytest.mark.parametrize("expression", ['o1["weight_g"] * 12 / 1000', '12 * o1["weight_g"] * 0.001'])
def test_a_factor_into_the_unit_of_the_goal_is_a_conversion(expression: str) -> None:
    """The unit of a field is in its name. Another factor is the model's own constant."""
    evaluation = Evaluation(SEEN, target=units.unit_of("kg"))
    found = evaluation.value(expression)
    assert (found.data, found.unit) == (Decimal("4.08"), units.unit_of("kg"))
    assert evaluation.literals == {"12"}
    other = Evaluation(SEEN, target=units.unit_of("kg"))
    other.value('o1["weight_g"] * 453.6')
    assert other.literals == {"453.6"}
