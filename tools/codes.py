"""Finds every code that a program may meet, by reading the source: of problems, errors of runs, warnings and calls.

A code is written as a literal where it is raised, so that it is found: in the keyword `code=` of a `Problem`, in the
first argument of what `CARRIERS` names, in `{"code": ..., "message": ...}`, or in a variable `code`. What passes on the
code of another error is in `PASSED_ON`; any other expression is an error here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from operations.fetch import CODES as FETCH_CODES
from operations.pdf.warnings import MESSAGES
from streaming import errors
from streaming.errors import Problem

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ("streaming", "operations", "app.py")
APART: Final = ("streaming/client/", "streaming/gateways/endings.py")
"""What reads the codes of others, or writes those of providers."""

CARRIERS: Final = {
    **dict.fromkeys(("OperationError", "RunFailed", "error_event"), "error"),
    **dict.fromkeys(("Unreadable", "FileError", "DatabaseError", "_errors", "_error"), "error"),
    **dict.fromkeys(("HostError", "ToolError", "TransientError", "Outcome"), "call"),
    **dict.fromkeys(("Warned", "notes.add", "self._warnings.add"), "warning"),
}
"""What takes a code, by its kind: as its keyword `code`, or as its first argument that is a code."""

PASSED_ON: Final = {
    *("code", "error.code", "outcome.code", "failure.code", "error['code']", "message['code']", "message['error']"),
    "error.name.lower().replace(' ', '_')",  # of werkzeug's errors
}

OPERATIONS: Final = {
    "streaming/gateways": "gateways",
    "streaming": "all",
    "operations/llm": "models",
    "operations/analy": "`analyze`",
    "operations/tools": "`agent`",
    "operations/agent": "`agent`",
    "operations/simulate": "`simulate`",
    "operations/long_results": "all of the service",
    "operations/hosts": "`agent`",
    "operations": "`extract`",
}
"""Whose runs have the codes of a module; the first prefix of its path counts."""


class Code(NamedTuple):
    """A code: its kind, and its status or the operations that have it."""

    kind: str
    code: str
    where: str


def codes() -> list[Code]:
    """All of them, sorted, each once with all that it goes with."""
    found = {*_problems(), *_of_constants()}
    for path in sorted(file for source in SOURCES for file in _files(ROOT / source)):
        name = str(path.relative_to(ROOT))
        if not name.startswith(APART):
            found.update(in_module(ast.parse(path.read_text()), name))
    places: dict[tuple[str, str], set[str]] = {}
    for kind, code, where in found:
        places.setdefault((kind, code), set()).add(where)
    return [Code(kind, code, ", ".join(sorted(where))) for (kind, code), where in sorted(places.items())]


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))


def _classes() -> dict[str, type[Problem]]:
    found = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if issubclass(value, Problem)}


def _problems() -> Iterator[Code]:
    """Those of the classes themselves."""
    yield from (Code("problem", each.code, str(each.status)) for each in _classes().values())


def _of_constants() -> Iterator[Code]:
    """Those that tables in the source have."""
    yield from (Code("error", code, "`extract`") for code in FETCH_CODES)
    yield from (Code("warning", code, "`extract`") for code in MESSAGES)


def in_module(tree: ast.AST, path: str) -> Iterator[Code]:
    """Those in a module at this path. Raises `ValueError` for one that is no literal."""
    where = next(name for prefix, name in OPERATIONS.items() if path.startswith(prefix) or prefix == "operations")
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if {"code", "message"} <= {*keys} and path.startswith(("operations", "streaming/gateways")):
                value = node.values[keys.index("code")]
                yield from (Code("warning", code, where) for code in _texts(value, path))
        elif isinstance(node, ast.FunctionDef) and path.startswith("operations"):
            kind = "call" if path.startswith("operations/tools") else "error"
            assigned = [each for each in ast.walk(node) if isinstance(each, ast.Assign)]
            yield from (Code(kind, code, where) for each in assigned for code in _assigned(each))
        elif isinstance(node, ast.ClassDef):
            yield from _in_class(node, path, where)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from _in_call(node, ast.unparse(node.func) if name == "add" else name, path, where)


def _in_class(node: ast.ClassDef, path: str, where: str) -> Iterator[Code]:
    """The code that a class of errors has, or hands to the constructor of its base."""
    for base in map(ast.unparse, node.bases):
        if base in CARRIERS:
            calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
            for call in calls:
                if ast.unparse(call.func) == "super().__init__":
                    yield from _in_call(call, base, path, where)
        elif base in _classes() and path != "streaming/errors.py":  # those there are known with their status
            codes = [code for each in node.body if isinstance(each, ast.Assign) for code in _assigned(each)]
            yield from (Code("problem", code, str(_classes()[base].status)) for code in codes)


def _in_call(node: ast.Call, name: str, path: str, where: str) -> Iterator[Code]:
    problems = _classes()
    keyword = next((each.value for each in node.keywords if each.arg == "code"), None)
    if name in problems and keyword is not None:
        status = str(problems[name].status)
        yield from (Code("problem", code, status) for code in _texts(keyword, path))
    elif name in CARRIERS:
        argument = keyword or _argument(node, name)
        found = () if argument is None else _texts(argument, path)
        yield from (Code(CARRIERS[name], code, where) for code in found)


def _assigned(node: ast.Assign) -> Iterator[str]:
    """The texts that a variable `code` gets: `text, code = ...` too."""
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = [*zip(target.elts, node.value.elts, strict=False)]
        for name, value in pairs:
            if ast.unparse(name) == "code" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    """The argument that is the code: the second of those that take an error or a text first."""
    at = {"_error": 1, "Outcome": 1}.get(name, 0)
    return call.args[at] if len(call.args) > at else None


def _texts(value: ast.expr, path: str) -> Iterator[str]:
    """The codes that an expression may have."""
    if isinstance(value, ast.IfExp):
        yield from (*_texts(value.body, path), *_texts(value.orelse, path))
    elif isinstance(value, ast.JoinedStr):
        parts: list[Any] = value.values
        yield "".join(
            str(each.value) if isinstance(each, ast.Constant) else ast.unparse(each.value).upper() for each in parts
        )
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif ast.unparse(value) not in PASSED_ON:
        raise ValueError(f"{path}:{value.lineno} has the code {ast.unparse(value)}: write it as a literal")
