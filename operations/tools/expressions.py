"""Computes the values of an answer: expressions in a part of Python over what the tools have returned.

The model writes `o1["weight_g"] * 12` or `max(o2, key=lambda each: each["price"])["name"]`, and the program computes.
Observations are `o1`, `o2` ..., in their order. A value knows its place in an observation and its unit; the evaluation
notes what it has read. Raises `ExpressionError` for anything else.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from . import units
from .units import Unit
from .values import (
    ExpressionError,
    Path,
    Value,
    add_days,
    child_of,
    days_between,
    days_from,
    first,
    holds,
    items_of,
    leaves,
    member_of,
    minutes_from,
    number_of,
    order_of,
    round_to,
    sum_of,
)

MAX_LENGTH: Final = 600
"""Characters of an expression."""
MAX_WORK: Final = 20_000
"""Parts of expressions that are computed."""


@dataclass
class Evaluation:
    """One expression over the observations by their names, and what it has read, picked and written itself."""

    observations: Mapping[str, Any]
    reads: set[Path] = field(default_factory=set)
    picks: set[Path] = field(default_factory=set)
    """Entries of lists of several that were taken by their index."""
    literals: set[str] = field(default_factory=set)
    target: Unit | None = None
    """The unit that the goal names, into which a model may convert by a factor of its own."""

    def __post_init__(self) -> None:
        self._scope: dict[str, Value] = {name: Value(data, (name,)) for name, data in self.observations.items()}
        self._entries: dict[Path, Value] = {}
        """The entry at which a loop over the list at this place is."""
        self._work = 0

    def value(self, expression: str) -> Value:
        """The value of an expression."""
        if len(expression) > MAX_LENGTH:
            raise ExpressionError("the expression is too long")
        try:
            tree = ast.parse(expression.strip(), mode="eval")
            return self._read(self._of(tree.body))
        except ExpressionError:
            raise
        except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise ExpressionError(f"{expression[:80]} cannot be computed: {str(error)[:80]}") from error
        except SyntaxError as error:
            raise ExpressionError(f"{expression[:80]} is not an expression") from error

    def _read(self, value: Value) -> Value:
        """Notes that all of a value is used."""
        if value.path:
            self.reads.update(leaves(value.data, value.path))
        elif isinstance(value.data, list | dict):
            for each in value.data.values() if isinstance(value.data, dict) else value.data:
                if isinstance(each, Value):
                    self._read(each)
        return value

    def _of(self, node: ast.AST) -> Value:
        self._work += 1
        if self._work > MAX_WORK:
            raise ExpressionError("the expression takes too long")
        method: Callable[[Any], Value] | None = getattr(self, f"_{type(node).__name__.casefold()}", None)
        if method is None:
            raise ExpressionError(f"{type(node).__name__} is not allowed in an expression")
        return method(node)

    # -- names and parts ----------------------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Value:
        if not isinstance(node.value, str | int | float | bool | None):
            raise ExpressionError("only texts and numbers are constants")
        if not isinstance(node.value, bool | None):
            self.literals.add(str(node.value))
        return Value(node.value)

    def _name(self, node: ast.Name) -> Value:
        if node.id not in self._scope:
            raise ExpressionError(
                f"there is no {node.id}; there are {', '.join(self.observations) or 'no observations'}"
            )
        return self._scope[node.id]

    def _attribute(self, node: ast.Attribute) -> Value:
        return member_of(self._of(node.value), node.attr)

    def _subscript(self, node: ast.Subscript) -> Value:
        base = self._of(node.value)
        if isinstance(node.slice, ast.Slice):
            part = node.slice
            low, high = (
                None if each is None else int(number_of(self._of(each)).data) for each in (part.lower, part.upper)
            )
            return Value(items_of(base)[low:high])
        known = set(self.literals)
        key = self._of(node.slice).data
        self.literals = known if isinstance(node.slice, ast.Constant) else self.literals
        if isinstance(key, str):
            # Within a loop over a list a model may name the list where it means the entry.
            return member_of(self._entries.get(base.path or (), base), key)
        items = items_of(base)
        entry = items[int(key)]
        if base.path and len(items) > 1 and entry.path:
            self.picks.add(entry.path)
        return entry

    # -- operators ----------------------------------------------------------------------------------------------------

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self._read(self._of(node.left)), self._read(self._of(node.right))
        operate = _OPERATORS.get(type(node.op))
        if operate is None:
            raise ExpressionError("of operators there are + - * / // %")
        if isinstance(node.op, ast.Sub) and (minutes := minutes_from(right.data, left.data)) is not None:
            return Value(Decimal(minutes), unit=units.unit_of("min"))
        if isinstance(node.op, ast.Sub) and (days := days_from(right.data, left.data)) is not None:
            return Value(days, unit=units.unit_of("d"))
        if isinstance(node.op, ast.Add) and isinstance(left.data, str) and isinstance(right.data, str):
            return Value(left.data + right.data)
        one, two = number_of(left), number_of(right)
        if isinstance(node.op, ast.Mult | ast.Div):
            return self._scaled(node, one, two)
        if one.unit and two.unit and one.unit != two.unit:
            two = Value(units.convert(two.data, two.unit, one.unit), unit=one.unit)
        unit = one.unit or two.unit
        # a difference of temperatures is none: it has no offset
        return Value(operate(one.data, two.data), unit=None if unit and unit.offset else unit)

    def _scaled(self, node: ast.BinOp, one: Value, two: Value) -> Value:
        """A product or a quotient. A factor between the unit of a value and that of the goal is a conversion."""
        result = _OPERATORS[type(node.op)](one.data, two.data)
        value, factor = (one, two) if isinstance(node.right, ast.Constant) else (two, one)
        constant = isinstance(node.left, ast.Constant) or isinstance(node.right, ast.Constant)
        if constant and value.unit and self.target and value.unit.dimension == self.target.dimension:
            converted = units.convert(value.data, value.unit, self.target)
            if value.unit != self.target and abs(result - converted) <= abs(converted) / 1000:
                self.literals.discard(str(factor.data))
                return Value(converted, unit=self.target)
        if one.unit and two.unit:
            same = isinstance(node.op, ast.Div) and one.unit == two.unit
            return Value(result, unit=None) if same else Value(result)
        return Value(result, unit=one.unit or (two.unit if isinstance(node.op, ast.Mult) else None))

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value = self._of(node.operand)
        if isinstance(node.op, ast.Not):
            return Value(not self._read(value).data)
        number = number_of(self._read(value))
        return number if isinstance(node.op, ast.UAdd) else replace(number, data=-number.data, path=None)

    def _boolop(self, node: ast.BoolOp) -> Value:
        value = Value(None)
        for each in node.values:
            value = self._read(self._of(each))
            if bool(value.data) == isinstance(node.op, ast.Or):
                break
        return value

    def _compare(self, node: ast.Compare) -> Value:
        left = self._read(self._of(node.left))
        for op, each in zip(node.ops, node.comparators, strict=True):
            right = self._read(self._of(each))
            if not holds(op, left, right):
                return Value(False)
            left = right
        return Value(True)

    def _ifexp(self, node: ast.IfExp) -> Value:
        return self._of(node.body if self._read(self._of(node.test)).data else node.orelse)

    # -- lists --------------------------------------------------------------------------------------------------------

    def _list(self, node: ast.List | ast.Tuple | ast.Set) -> Value:
        return Value([self._of(each) for each in node.elts])

    _tuple = _set = _list

    def _dict(self, node: ast.Dict) -> Value:
        if None in node.keys:
            raise ExpressionError("** is not allowed in an expression")
        pairs = zip(node.keys, node.values, strict=True)
        return Value({str(self._of(key).data): self._of(value) for key, value in pairs if key})

    def _generatorexp(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp) -> Value:
        return Value(list(self._loop(node.generators, node.elt)))

    _listcomp = _setcomp = _generatorexp

    def _loop(self, generators: list[ast.comprehension], result: ast.expr) -> Iterator[Value]:
        if not generators:
            yield self._of(result)
            return
        first, *rest = generators
        outer, entries = dict(self._scope), dict(self._entries)
        for entry in items_of(self._of(first.iter)):
            self._bind(first.target, entry)
            if entry.path:
                self._entries[entry.path[:-1]] = entry
            if all(self._read(self._of(test)).data for test in first.ifs):
                yield from self._loop(rest, result)
        self._scope, self._entries = outer, entries

    def _bind(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self._scope[target.id] = value
            return
        if not isinstance(target, ast.Tuple | ast.List):
            raise ExpressionError("a loop has a name")
        for each, part in zip(target.elts, items_of(value), strict=True):
            self._bind(each, part)

    # -- functions ----------------------------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("convert", "to_unit"):
            return self._convert(node)
        arguments = [self._of(each) for each in node.args]
        keywords = {each.arg: each.value for each in node.keywords}
        if name in ("max", "min", "sorted"):
            return self._ordered(name, arguments, keywords.get("key"), keywords.get("reverse"))
        if name not in _FUNCTIONS or set(keywords) - {"default"}:
            raise ExpressionError(f"there is no function {name[:30]!r} with these arguments")
        for each in arguments:
            if name not in ("len", "next", "list", "set"):
                self._read(each)
        return _FUNCTIONS[name](*arguments)

    def _convert(self, node: ast.Call) -> Value:
        value = number_of(self._read(self._of(node.args[0])))
        names = [each.value for each in node.args[1:] if isinstance(each, ast.Constant)]
        found = [units.unit_of(str(name)) for name in names]
        if not found or None in found:
            raise ExpressionError(f"no such units: {', '.join(map(str, names))[:60]}")
        source, target = value.unit or found[0], found[-1]
        assert source is not None
        assert target is not None
        return Value(units.convert(value.data, source, target), unit=target)

    def _method(self, function: ast.Attribute, node: ast.Call) -> Value:
        base, name = self._of(function.value), function.attr
        known = set(self.literals)
        arguments = [self._of(each) for each in node.args]
        if name == "get" and arguments:
            self.literals = known
            return member_of(base, str(arguments[0].data))
        if name in ("items", "keys", "values") and isinstance(base.data, dict):
            pairs = [(Value(key), child_of(base, key)) for key in base.data]
            return Value([{"items": Value(list(pair)), "keys": pair[0], "values": pair[1]}[name] for pair in pairs])
        if name in ("lower", "upper", "strip", "title", "casefold") and isinstance(base.data, str):
            return replace(base, data=getattr(base.data, name)())
        if name in ("startswith", "endswith") and isinstance(base.data, str):
            self._read(base)
            return Value(getattr(base.data, name)(str(arguments[0].data)))
        raise ExpressionError(f"there is no method {name[:30]!r}")

    def _ordered(self, name: str, arguments: list[Value], key: ast.expr | None, reverse: ast.expr | None) -> Value:
        if len(arguments) == 1 and isinstance(arguments[0].data, dict) and arguments[0].path is None:
            entries = [Value(each) for each in arguments[0].data]
        else:
            entries = items_of(arguments[0]) if len(arguments) == 1 else arguments
        if not entries:
            raise ExpressionError(f"{name} of an empty list")
        ordered = sorted(entries, key=lambda entry: order_of(self._read(self._key(key, entry))))
        if name == "sorted":
            return Value(ordered[::-1] if reverse is not None and self._of(reverse).data else ordered)
        return ordered[-1 if name == "max" else 0]

    def _key(self, key: ast.expr | None, entry: Value) -> Value:
        if key is None:
            return entry
        if isinstance(key, ast.Attribute) and key.attr == "get":  # key=prices.get
            return member_of(self._of(key.value), str(entry.data))
        if not isinstance(key, ast.Lambda) or len(key.args.args) != 1:
            raise ExpressionError("a key is a lambda with one argument")
        outer = dict(self._scope)
        self._scope[key.args.args[0].arg] = entry
        value = self._of(key.body)
        self._scope = outer
        return value


_OPERATORS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "sum": sum_of,
    "len": lambda values: Value(len(items_of(values))),
    "abs": lambda value: replace(number_of(value), data=abs(number_of(value).data), path=None),
    "round": round_to,
    "float": number_of,
    "int": lambda value: replace(number_of(value), data=Decimal(int(number_of(value).data))),
    "str": lambda value: value,
    "list": lambda values: Value(items_of(values)),
    "set": lambda values: Value(list({str(each.data): each for each in items_of(values)}.values())),
    "any": lambda values: Value(any(each.data for each in items_of(values))),
    "all": lambda values: Value(all(each.data for each in items_of(values))),
    "next": first,
    "days_between": days_between,
    "add_days": add_days,
}
"""Functions of expressions, besides `convert`, `max`, `min` and `sorted`."""
