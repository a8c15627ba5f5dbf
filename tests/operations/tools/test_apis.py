"""The five public APIs as tools, with a local server that answers and fails as they do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from operations.settings import ServiceSettings
from operations.tools import ToolError
from operations.tools.apis import APIS, SERVERS, encyclopedia, exchange_rate, geocode, holidays, weather
from operations.tools.base import Tool
from operations.tools.registry import registry
from tests.apps.agent_calls import call, code_of
from tests.apps.apis import Apis, Fault


@pytest.fixture
def apis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Apis]:
    """The server of all five, by settings."""
    with Apis() as server:
        for name, value in server.settings().items():
            monkeypatch.setenv(name, value)
        yield server


def test_the_public_servers_are_the_default() -> None:
    """By default the tools call the APIs themselves, by https, and only these five hosts are allowed."""
    public = {getattr(ServiceSettings(), setting) for setting in SERVERS.values()}
    assert len(public) == 5
    assert public == {registry().tools[tool.name].url for tool in APIS}
    assert all(url.startswith("https://") for url in public)
    assert registry().hosts.hosts == {url.removeprefix("https://") for url in public}
    assert registry().hosts.private == frozenset()


def test_geocode(apis: Apis) -> None:
    """A place has what the other tools need."""
    [place] = call(geocode, place="oslo")
    assert (place["name"], place["country_code"], place["timezone"]) == ("Oslo", "NO", "Europe/Oslo")
    assert (place["latitude"], place["longitude"]) == (59.91273, 10.74609)
    assert "feature_code" not in place
    assert apis.paths == ["/v1/search?name=oslo&count=3&format=json"]


def test_geocode_without_a_match(apis: Apis) -> None:
    """The call fails, since a model might take an empty list for an answer."""
    assert code_of(geocode, place="Atlantis") == "not_found"


@pytest.mark.parametrize("title", [" ", ".", "..", " .. "])
def test_a_title_that_is_another_path(apis: Apis, title: str) -> None:
    """Nothing is asked for."""
    assert code_of(encyclopedia, title=title) == "invalid_arguments"
    assert apis.paths == []


def test_weather(apis: Apis) -> None:
    """The values have units, the sky is in words, and unknown values are left out."""
    answer = call(weather, latitude=59.91, longitude=10.75, days=2)
    assert answer["now"] == {
        "time": "2026-11-23T09:30",
        "sky": "overcast",
        "temperature": "-2.1 °C",
        "feels_like": "-3.1 °C",
        "humidity": "71 %",
        "precipitation": "0.0 mm",
        "wind": "12.2 km/h",
    }
    assert [day["date"] for day in answer["days"]] == ["2026-11-23", "2026-11-24"]
    assert answer["days"][1] == {
        "date": "2026-11-24",
        "sky": "overcast",
        "min": "-6.1 °C",
        "max": "-0.1 °C",
        "precipitation": "0.4 mm",
    }


def test_holidays(apis: Apis) -> None:
    """Holidays of a part of the country name it."""
    first, second = call(holidays, country_code="ch", year=2027)
    assert first == {"date": "2027-01-01", "name": "New Year's Day", "local_name": "Neujahr"}
    assert second["only_in"] == ["CH-ZH"]
    assert apis.paths == ["/api/v3/PublicHolidays/2027/CH"]


def test_exchange_rate(apis: Apis) -> None:
    """The amount is converted at the latest rate or that of a day; models multiply badly."""
    answer = call(exchange_rate, base="eur", target="chf", amount=250)
    assert (answer["date"], answer["rate"], answer["converted"]) == ("2026-11-20", 0.94, 235.0)
    assert call(exchange_rate, base="USD", target="JPY", day="2026-01-02")["date"] == "2026-01-02"
    assert apis.paths == ["/v1/latest?base=EUR&symbols=CHF", "/v1/2026-01-02?base=USD&symbols=JPY"]


def test_encyclopedia(apis: Apis) -> None:
    """Redirects are followed, and the answer has the URL of the article."""
    answer = call(encyclopedia, title="Lady Lovelace")
    assert answer["title"] == "Ada Lovelace"
    assert answer["summary"].startswith("Augusta Ada King")
    assert answer["url"] == "https://en.wikipedia.org/wiki/Ada_Lovelace"
    assert apis.paths == [f"/api/rest_v1/page/summary/{title}" for title in ("Lady_Lovelace", "Ada_Lovelace")]


def test_a_title_of_several_articles(apis: Apis) -> None:
    """A note says what to do."""
    assert "full title" in call(encyclopedia, title="Mercury")["note"]


def test_a_title_is_one_part_of_the_path(apis: Apis) -> None:
    """Special characters are escaped."""
    assert code_of(encyclopedia, title="AC/DC?x=../..#") == "http_404"
    assert apis.paths == ["/api/rest_v1/page/summary/AC%2FDC%3Fx%3D..%2F..%23"]


WRONG: list[tuple[Tool, dict[str, Any], str]] = [
    (holidays, {"country_code": "XX", "year": 2027}, "http_404"),
    (exchange_rate, {"base": "EUR", "target": "XXX"}, "http_404"),
    (encyclopedia, {"title": "No such article"}, "http_404"),
    (weather, {"latitude": 91, "longitude": 0}, "invalid_arguments"),
    (weather, {"latitude": 0, "longitude": 0, "days": 17}, "invalid_arguments"),
    (holidays, {"country_code": "Switzerland", "year": 2027}, "invalid_arguments"),
    (holidays, {"country_code": "C/", "year": 2027}, "invalid_arguments"),
    (exchange_rate, {"base": "EUR", "target": "C&F"}, "invalid_arguments"),
    (exchange_rate, {"base": "EUR", "target": "CHF", "day": "../latest"}, "invalid_arguments"),
    (geocode, {"place": "x"}, "invalid_arguments"),
]


@pytest.mark.parametrize(("tool", "arguments", "code"), WRONG, ids=lambda each: getattr(each, "name", None))
def test_an_error_of_an_api(apis: Apis, tool: Tool, arguments: dict[str, Any], code: str) -> None:
    """The code is the status of the API; invalid arguments fail without a request."""
    assert code_of(tool, **arguments) == code
    assert bool(apis.seen) == code.startswith("http_")


def test_the_error_message_of_an_api(apis: Apis) -> None:
    """The model gets it."""
    apis.faults["/v1/forecast"] = [Fault(400, json.dumps({"error": True, "reason": "Data is not available"}).encode())]
    with pytest.raises(ToolError, match="Data is not available"):
        call(weather, latitude=1, longitude=1)
