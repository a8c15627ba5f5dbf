"""Units of measurement: which one a text or the name of a field has, and conversions between them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple


class Unit(NamedTuple):
    """A unit: `value * factor + offset` is in the first unit of its dimension."""

    symbol: str
    dimension: str
    factor: Decimal
    offset: Decimal = Decimal(0)


_TABLE: Final = """
mass: g 1 gram grams gramm; kg 1000 kilo kilos kilogram kilograms kilogramm; mg 0.001 milligram milligrams
mass: t 1000000 tonne tonnes tonnen; lb 453.59237 lbs pound pounds; oz 28.349523125 ounce ounces
length: m 1 metre metres meter meters; km 1000 kilometre kilometres kilometer kilometers
length: cm 0.01 centimetre centimetres centimeter centimeters
length: mm 0.001 millimetre millimetres millimeter millimeters; mi 1609.344 mile miles
length: ft 0.3048 foot feet; in 0.0254 inch inches; yd 0.9144 yard yards; nmi 1852
time: s 1 sec second seconds sekunden; min 60 mins minute minutes minuten; h 3600 hr hrs hour hours stunden
time: days 86400 d day tage; ms 0.001 millisecond milliseconds; week 604800 weeks wochen
speed: m/s 1 mps ms-1; km/h 0.277777777777777777777777777778 kmh kph; mph 0.44704
speed: kn 0.514444444444444444444444444444 knots
volume: l 1 litre litres liter liters; ml 0.001 millilitre millilitres milliliter milliliters
volume: gal 3.785411784 gallon gallons; m3 1000 m³ cbm; cl 0.01 centilitre centilitres; dl 0.1 decilitre decilitres
area: m2 1 m² sqm; km2 1000000 km² ; ha 10000 hectare hectares; acre 4046.8564224 acres
energy: kWh 1 kilowatt-hour kilowatt-hours; Wh 0.001; MWh 1000; GWh 1000000
power: kW 1 kilowatt kilowatts; watt 0.001 watts; MW 1000 megawatt megawatts; GW 1000000 gigawatt gigawatts
frequency: Hz 1 hertz; kHz 1000; MHz 1000000; GHz 1000000000
data: B 1 byte bytes; kB 1000 kb; MB 1000000 mb; GB 1000000000 gb; TB 1000000000000 tb
temperature: K 1 kelvin; °C 1 c celsius; °F 0.555555555555555555555555555556 f fahrenheit
"""
_OFFSETS: Final = {"°C": Decimal("273.15"), "°F": Decimal("459.67") * 5 / 9}


def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        dimension, _, entries = line.partition(": ")
        for entry in entries.split(";"):
            symbol, factor, *names = entry.split()
            unit = Unit(symbol, dimension, Decimal(factor), _OFFSETS.get(symbol, Decimal(0)))
            units |= dict.fromkeys([symbol, symbol.casefold(), *names], unit)
    return units


_UNITS: Final = _units()
_QUANTITY: Final = re.compile(r"([-+−]?\d[\d.,' ]*?)\s*([^\d\s.,'][^\d,;]{0,14})?")
_POWER: Final = re.compile(r"\b(?P<power>square|sq\.?|cubic) (?P<k>k(?:ilo)?)?m(?:et(?:re|er)s?)?\b", re.IGNORECASE)
_SHORT: Final = frozenset({"m", "s", "h", "d", "t", "l", "c", "f", "k", "in", "min", "b", "g", "kn", "week"})
"""Symbols that as words of a goal mean something else."""


def unit_of(name: str) -> Unit | None:
    """The unit that a text is, such as `kg`, `kilograms` or `°C`."""
    text = name.strip().rstrip(".")
    return _UNITS.get(text) or _UNITS.get(text.casefold())


def unit_of_field(name: str) -> Unit | None:
    """The unit in the name of a field: `weight_g`, `distanceKm`, `temperature_celsius`."""
    words = re.findall(r"[A-Z]?[a-z]+[23²³]?|[A-Z]+", name)
    if "per" in words:
        return _UNITS.get("/".join(words[-3::2]).casefold())  # a price for a day has none
    joined = "/".join(words[-2:]).casefold()
    if len(words) > 2 and joined in _UNITS:
        return _UNITS[joined]
    return unit_of(words[-1]) if len(words) > 1 else None


def with_powers(text: str) -> str:
    """A text with symbols for areas and volumes: m2 for square metres."""
    return _POWER.sub(lambda found: f"{(found['k'] and 'k') or ''}m{'2' if found['power'][0] in 'sS' else '3'}", text)


def units_in(goal: str) -> list[Unit]:
    """The units that a goal names in words, or by symbols that mean nothing else."""
    words = re.findall(r"°[CFcf]|km/h|m/s|[^\W\d_]+[²³23]?", with_powers(goal))
    return [unit for word in words if word.casefold() not in _SHORT and (unit := unit_of(word))]


def quantity(text: str) -> tuple[Decimal, Unit | None, str] | None:
    """The number, the unit and its words of a text that is a quantity and nothing else: `-2.1 °C`, `12 kg`, `3`."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    digits = re.sub(r"[' ]", "", match[1]).replace("−", "-")
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", digits):
        digits = digits.replace(",", "")
    if not re.fullmatch(r"[-+]?\d+(\.\d+)?", digits):
        return None
    words = (match[2] or "").strip()
    return Decimal(digits), unit_of(words) if words else None, words


def convert(value: Decimal, source: Unit, target: Unit) -> Decimal:
    """The value in another unit; raises `ValueError` for one of another dimension."""
    if source.dimension != target.dimension:
        raise ValueError(f"{source.symbol} cannot be converted to {target.symbol}")
    return (value * source.factor + source.offset - target.offset) / target.factor
