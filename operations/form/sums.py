"""Sums against their parts: net and tax make the total, and the amounts of the items one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import product
from typing import Any, Final, NamedTuple

from .beside import NONE, OWN
from .evidence import PageText
from .labels import purpose_of
from .schema import Json, ListField, ObjectField, ValueField

TOLERANCE: Final = Decimal("0.05")
"""What rounding may add up to."""
SUM: Final = "sum"
_ITEM_AMOUNTS: Final = ("amount", "betrag", "montant", "金额", "金額")


class _Choice(NamedTuple):
    """The candidates of an amount, the best first: entries of evidence with their `value`."""

    name: str
    entries: list[Json]


def settle(
    form: ObjectField, value: Json, evidence: dict[str, Json], pages: Iterable[PageText], path: str = ""
) -> None:
    """Chooses among the candidates of sums those that agree, and doubts those that do not. Changes its arguments."""
    amounts = _amounts(form, value, evidence, path)
    parts = [amounts.get(concept) for concept in ("total", "net", "tax")]
    if all(parts):
        _agree([part for part in parts if part], value, evidence, path, list(pages))
    elif choice := amounts.get("total") or amounts.get("net"):
        _as_items(form, choice, value, evidence, path)
    for name, part in form.fields.items():
        if isinstance(part, ObjectField) and isinstance(value.get(name), dict):
            settle(part, value[name], evidence, pages, f"{path}/{name}")


def _amounts(form: ObjectField, value: Json, evidence: Mapping[str, Json], path: str) -> dict[str, _Choice]:
    """By concept; a concept that two fields have is left out."""
    found: dict[str, list[_Choice]] = {}
    for name, part in form.fields.items():
        entry = evidence.get(f"{path}/{name}")
        if isinstance(part, ValueField) and entry is not None and _is_number(value[name]):
            purpose = purpose_of((name,), part.schema.get("description", ""), "number")
            if purpose is not None and not purpose.rate:
                entries = [{**entry, "value": value[name]}, *entry.get("others", ())]
                found.setdefault(purpose.concept, []).append(_Choice(name, entries))
    return {concept: choices[0] for concept, choices in found.items() if len(choices) == 1}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _agree(parts: list[_Choice], value: Json, evidence: dict[str, Json], path: str, pages: list[PageText]) -> None:
    choices = [range(len(part.entries)) for part in parts]
    for indices in sorted(product(*choices), key=sum):
        entries = [part.entries[index] for part, index in zip(parts, indices, strict=True)]
        total, net, tax = (Decimal(str(entry["value"])) for entry in entries)
        standing = [entry for entry in entries if entry["verified"]]
        nothing = tax == 0 and len(standing) == 2 and not entries[2]["verified"]
        if abs(total - net - tax) <= TOLERANCE and (len(standing) == 3 or nothing):
            for part, index in zip(parts, indices, strict=True):
                _choose(part, index, value, evidence, path)
            for part in parts if tax else ():
                evidence[f"{path}/{part.name}"]["ambiguous"] = False
            if nothing:
                evidence[f"{path}/{parts[2].name}"]["verified"] = True
            return
    if all(part.entries[0]["verified"] for part in parts):
        _doubt(parts, evidence, path, pages)


def _doubt(parts: list[_Choice], evidence: dict[str, Json], path: str, pages: list[PageText]) -> None:
    """No total without its label is believed that is not the sum, unless the page has what is between them."""
    total, net, tax = (Decimal(str(part.entries[0]["value"])) for part in parts)
    rest = abs(total - net - tax)
    if rest not in map(abs, (total, net, tax)) and any(each.value == rest for page in pages for each in page.numbers):
        for part in parts:
            entry = evidence[f"{path}/{part.name}"]
            entry["ambiguous"] = entry["ambiguous"] and entry["support"] > NONE
        return
    for part in parts:
        entry = evidence[f"{path}/{part.name}"]
        if entry.get("support") != OWN:
            entry.update(verified=False, reason=SUM)


def _as_items(form: ObjectField, choice: _Choice, value: Json, evidence: dict[str, Json], path: str) -> None:
    """Chooses the candidate that is the sum of the items' amounts, if the best is not."""
    for name, part in form.fields.items():
        if isinstance(part, ListField) and isinstance(part.item, ObjectField):
            amount = next((n for n in part.item.fields if _is_amount_of_item(n)), None)
            amounts = [item.get(amount) for item in value[name] or () if isinstance(item, dict)]
            if amounts and all(map(_is_number, amounts)):
                total = sum(Decimal(str(each)) for each in amounts)
                for index, entry in enumerate(choice.entries):
                    if entry["verified"] and Decimal(str(entry["value"])) == total:
                        _choose(choice, index, value, evidence, path)
                        evidence[f"{path}/{choice.name}"]["ambiguous"] = False
                        return


def _is_amount_of_item(name: str) -> bool:
    purpose = purpose_of((name,), "", "number")
    return (purpose is not None and purpose.concept in ("total", "net")) or name.casefold() in _ITEM_AMOUNTS


def _choose(choice: _Choice, index: int, value: Json, evidence: dict[str, Json], path: str) -> None:
    if index == 0:
        return
    entries = [{name: each[name] for name in each if name != "others"} for each in choice.entries]
    chosen = entries.pop(index)
    value[choice.name] = chosen.pop("value")
    evidence[f"{path}/{choice.name}"] = {**chosen, "others": entries}
