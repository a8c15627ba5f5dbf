"""Five public APIs that need no key, reduced to the fields that a model can use.

They are Open-Meteo (geocoding and forecasts; free for non-commercial use), Nager.Date, Frankfurter (the reference rates
of the European Central Bank), and Wikipedia's REST API. Only the arguments of a call leave the machine.
`HEADWAY_AGENT_..._URL` sets another server for each: a mirror, a paid plan, a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from pydantic import Field

from ..settings import settings
from .base import Tool, ToolError, tool
from .context import get_json
from .web import segment

Json = dict[str, Any]

SERVERS: Final = {
    "geocode": "agent_geocoding_url",
    "weather": "agent_weather_url",
    "holidays": "agent_holidays_url",
    "exchange_rate": "agent_exchange_url",
    "encyclopedia": "agent_encyclopedia_url",
}
"""The setting that names the server of each tool."""


def server(name: str) -> str:
    """The base URL of a tool's server."""
    return str(getattr(settings(), SERVERS[name])).rstrip("/")


# --- places ----------------------------------------------------------------------------------------------------------

PLACE: Final = ("name", "country", "country_code", "admin1", "latitude", "longitude", "timezone", "population")


@tool(repeatable=True)
def geocode(
    place: Annotated[
        str, Field(min_length=2, max_length=100, description="a city or postal code, without its country")
    ],
) -> list[Json]:
    """Finds the coordinates, country code and time zone of a place by its name."""
    answer = get_json(f"{server('geocode')}/v1/search", {"name": place, "count": 3, "format": "json"})
    # Without a match the answer has no `results`.
    places = [{key: entry[key] for key in PLACE if key in entry} for entry in answer.get("results", [])]
    if not places:
        raise ToolError("not_found", f"No place is called {place!r}.")
    return places


# --- weather ---------------------------------------------------------------------------------------------------------

SKIES: Final = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "fog with rime",
    51: "light drizzle",
    53: "drizzle",
    55: "heavy drizzle",
    56: "light freezing drizzle",
    57: "freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light showers",
    81: "showers",
    82: "violent showers",
    85: "light snow showers",
    86: "snow showers",
    95: "thunderstorm",
    96: "thunderstorm with light hail",
    99: "thunderstorm with hail",
}
"""WMO weather interpretation codes, as Open-Meteo documents them."""

NOW: Final = {
    "temperature_2m": "temperature",
    "apparent_temperature": "feels_like",
    "relative_humidity_2m": "humidity",
    "precipitation": "precipitation",
    "wind_speed_10m": "wind",
}
DAILY: Final = {
    "temperature_2m_min": "min",
    "temperature_2m_max": "max",
    "precipitation_sum": "precipitation",
    "precipitation_probability_max": "chance_of_precipitation",
}


@tool(repeatable=True)
def weather(
    latitude: Annotated[float, Field(ge=-90, le=90)],
    longitude: Annotated[float, Field(ge=-180, le=180)],
    days: Annotated[int, Field(ge=1, le=16, description="how many days from today, 1 to 16")] = 3,
) -> Json:
    """The weather now and on the next days at coordinates (geocode finds those of a place)."""
    params = {
        "latitude": latitude,
        "longitude": longitude,
        "current": ",".join(["weather_code", *NOW]),
        "daily": ",".join(["weather_code", *DAILY]),
        "timezone": "auto",
        "forecast_days": days,
    }
    answer = get_json(f"{server('weather')}/v1/forecast", params)
    now, units = answer["current"], answer["daily_units"]
    return {
        "timezone": answer["timezone"],
        "now": {"time": now["time"], **_values(now, answer["current_units"], NOW)},
        "days": [{"date": day["time"], **_values(day, units, DAILY)} for day in _rows(answer["daily"])],
    }


def _rows(columns: Mapping[str, list[Any]]) -> list[Json]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(values: Mapping[str, Any], units: Mapping[str, str], names: Mapping[str, str]) -> Json:
    """The values with their units; unknown ones are left out."""
    result: Json = {}
    if values.get("weather_code") is not None:
        result["sky"] = SKIES.get(values["weather_code"], "unknown")
    for key, name in names.items():
        if values.get(key) is not None:
            result[name] = f"{values[key]} {units.get(key, '')}".strip()
    return result


# --- holidays --------------------------------------------------------------------------------------------------------


@tool(repeatable=True)
def holidays(
    country_code: Annotated[
        str, Field(pattern="^[A-Za-z]{2}$", min_length=2, max_length=2, description="ISO 3166-1, as in DE")
    ],
    year: Annotated[int, Field(ge=1975, le=2075)],
) -> list[Json]:
    """The public holidays of a country in a year."""
    days = get_json(f"{server('holidays')}/api/v3/PublicHolidays/{year}/{country_code.upper()}")
    return [
        {
            "date": day["date"],
            "name": day["name"],
            "local_name": day["localName"],
            # No counties: the whole country.
            **({} if day.get("global", True) else {"only_in": day.get("counties")}),
        }
        for day in days
    ]


# --- money -----------------------------------------------------------------------------------------------------------

Currency = Annotated[str, Field(pattern="^[A-Za-z]{3}$", min_length=3, max_length=3)]


@tool(repeatable=True)
def exchange_rate(
    base: Annotated[Currency, Field(description="the currency to convert from, ISO 4217, as in EUR")],
    target: Annotated[Currency, Field(description="the currency to convert to")],
    amount: Annotated[float, Field(ge=0, le=1e15, description="how much of the base currency")] = 1,
    day: Annotated[date | None, Field(description="a past day as YYYY-MM-DD; null for the latest rate")] = None,
) -> Json:
    """Converts an amount of money at the European Central Bank's reference rate."""
    params = {"base": base.upper(), "symbols": target.upper()}
    answer = get_json(f"{server('exchange_rate')}/v1/{day or 'latest'}", params)
    rate = answer["rates"][target.upper()]
    return {
        "date": answer["date"],
        "base": answer["base"],
        "target": target.upper(),
        "rate": rate,
        "amount": amount,
        "converted": round(amount * rate, 4),
    }


# --- articles --------------------------------------------------------------------------------------------------------


@tool(repeatable=True)
def encyclopedia(
    title: Annotated[
        str, Field(min_length=1, max_length=200, description="the title of an article, as in Ada Lovelace")
    ],
) -> Json:
    """The summary of an encyclopedia article."""
    name = segment("title", title.strip().replace(" ", "_"))
    page = get_json(f"{server('encyclopedia')}/api/rest_v1/page/summary/{name}")
    article = {"title": page["title"], "description": page.get("description"), "summary": page.get("extract", "")}
    if page.get("type") == "disambiguation":
        article["note"] = "Several articles are called so: ask for one of them by its full title."
    return {**article, "url": page.get("content_urls", {}).get("desktop", {}).get("page")}


APIS: Final[tuple[Tool, ...]] = (geocode, weather, holidays, exchange_rate, encyclopedia)
