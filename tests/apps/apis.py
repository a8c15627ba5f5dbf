"""A local server that answers and fails as the five public APIs of the agent's tools do.

Responses and statuses are those of the APIs' documentation: Open-Meteo's geocoding and forecasts, Nager.Date v3,
Frankfurter v1, Wikipedia's REST API (specification Summary 1.3.0). Weather, rates and articles are invented.

    with Apis() as apis:
        monkeypatch.setenv(...)                      # every variable of `apis.settings()`
        apis.faults["/v1/forecast"] = [Fault(503)]   # the next answer of this path

By hand: `python -m tests.apps.apis PORT`, which prints the settings for it.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
Answer = tuple[int, Mapping[str, str], Any]

PLACES: Final[list[Json]] = [
    {
        "id": 2267057,
        "name": "Lisbon",
        "latitude": 38.71667,
        "longitude": -9.13333,
        "elevation": 45.0,
        "feature_code": "PPLC",
        "country_code": "PT",
        "timezone": "Europe/Lisbon",
        "population": 517802,
        "country_id": 2264397,
        "country": "Portugal",
        "admin1": "Lisbon",
    },
    {
        "id": 3143244,
        "name": "Oslo",
        "latitude": 59.91273,
        "longitude": 10.74609,
        "elevation": 26.0,
        "feature_code": "PPLC",
        "country_code": "NO",
        "timezone": "Europe/Oslo",
        "population": 580000,
        "country_id": 3144096,
        "country": "Norway",
        "admin1": "Oslo",
    },
    {
        "id": 2657896,
        "name": "Zurich",
        "latitude": 47.36667,
        "longitude": 8.55,
        "elevation": 429.0,
        "feature_code": "PPLA",
        "country_code": "CH",
        "timezone": "Europe/Zurich",
        "population": 341730,
        "country_id": 2658434,
        "country": "Switzerland",
        "admin1": "Zurich",
    },
]
TEMPERATURES: Final = {38: 17.4, 59: -2.1, 47: 5.5}
"""By whole degrees of latitude."""

RATES: Final = {"EUR": 1.0, "USD": 1.08, "CHF": 0.94, "GBP": 0.84, "JPY": 165.2}
RATES_OF: Final = "2026-11-20"

FIXED: Final = {
    "CH": [("01-01", "Neujahr", "New Year's Day"), ("08-01", "Bundesfeier", "Swiss National Day")],
    "PT": [("06-10", "Dia de Portugal", "National Day"), ("12-08", "Imaculada Conceição", "Immaculate Conception")],
    "NO": [("05-17", "Grunnlovsdagen", "Constitution Day"), ("12-25", "Første juledag", "Christmas Day")],
}

ARTICLES: Final[dict[str, Json]] = {
    "Ada_Lovelace": {
        "type": "standard",
        "title": "Ada Lovelace",
        "description": "English mathematician (1815–1852)",
        "extract": "Augusta Ada King, Countess of Lovelace, was an English mathematician and writer chiefly known for"
        " her work on Charles Babbage's proposed mechanical general-purpose computer, the Analytical Engine.",
    },
    "Mercury": {
        "type": "disambiguation",
        "title": "Mercury",
        "description": "Topics referred to by the same term",
        "extract": "Mercury most commonly refers to: Mercury (planet), Mercury (element), Mercury (mythology).",
    },
}
REDIRECTS: Final = {"Lady_Lovelace": "Ada_Lovelace"}


def geocoding(query: Mapping[str, str], *_: str) -> Answer:
    """`GET /v1/search`. Without a match the answer has no `results`."""
    name = query.get("name", "").lower()
    places = [place for place in PLACES if len(name) > 1 and str(place["name"]).lower().startswith(name)]
    return 200, {}, {**({"results": places} if places else {}), "generationtime_ms": 0.5}


def forecast(query: Mapping[str, str], *_: str) -> Answer:
    """`GET /v1/forecast`: `current` and `daily`, each with its units."""
    try:
        latitude, longitude = float(query["latitude"]), float(query["longitude"])
        days = int(query.get("forecast_days", 7))
    except (KeyError, ValueError):
        return (
            400,
            {},
            {"error": True, "reason": "Parameter 'latitude' and 'longitude' must have the same number of elements"},
        )
    if not -90 <= latitude <= 90:
        return 400, {}, {"error": True, "reason": f"Latitude must be in range of -90 to 90°. Given: {latitude}."}
    temperature = TEMPERATURES.get(int(latitude), 10.0)
    first = date(2026, 11, 23)
    return (
        200,
        {},
        {
            "latitude": latitude,
            "longitude": longitude,
            "generationtime_ms": 0.1,
            "utc_offset_seconds": 0,
            "timezone": "GMT",
            "timezone_abbreviation": "GMT",
            "elevation": 38.0,
            "current_units": {"time": "iso8601", "interval": "seconds", **_units(query["current"])},
            "current": {"time": "2026-11-23T09:30", "interval": 900, **_values(query["current"], temperature)},
            "daily_units": {"time": "iso8601", **_units(query["daily"])},
            "daily": {
                "time": [str(first + timedelta(day)) for day in range(days)],
                **{name: [value] * days for name, value in _values(query["daily"], temperature).items()},
            },
        },
    )


UNITS: Final = {
    "weather_code": "wmo code",
    "relative_humidity_2m": "%",
    "precipitation": "mm",
    "precipitation_sum": "mm",
    "precipitation_probability_max": "%",
    "wind_speed_10m": "km/h",
}


def _units(names: str) -> Json:
    return {name: UNITS.get(name, "°C") for name in names.split(",")}


def _values(names: str, temperature: float) -> Json:
    values = {
        "weather_code": 3,
        "temperature_2m": temperature,
        "apparent_temperature": round(temperature - 1, 1),
        "relative_humidity_2m": 71,
        "precipitation": 0.0,
        "wind_speed_10m": 12.2,
        "temperature_2m_max": round(temperature + 2, 1),
        "temperature_2m_min": round(temperature - 4, 1),
        "precipitation_sum": 0.4,
        "precipitation_probability_max": None,  # unknown in some regions
    }
    return {name: values[name] for name in names.split(",")}


def holidays(_: Mapping[str, str], year: str, country: str) -> Answer:
    """`GET /api/v3/PublicHolidays/{Year}/{CountryCode}`."""
    if country not in FIXED:
        return 404, {}, None
    return (
        200,
        {},
        [
            {
                "date": f"{year}-{day}",
                "localName": local,
                "name": name,
                "countryCode": country,
                "fixed": False,
                "global": name != "Swiss National Day",
                "counties": ["CH-ZH"] if name == "Swiss National Day" else None,
                "launchYear": None,
                "types": ["Public"],
            }
            for day, local, name in FIXED[country]
        ],
    )


def rates(query: Mapping[str, str], day: str) -> Answer:
    """`GET /v1/latest` and `GET /v1/{date}`."""
    base, symbols = query.get("base", "EUR"), query.get("symbols", "").split(",")
    if base not in RATES or not all(symbol in RATES for symbol in symbols):
        return 404, {}, {"message": "not found"}
    rates = {symbol: round(RATES[symbol] / RATES[base], 5) for symbol in symbols}
    return 200, {}, {"amount": 1.0, "base": base, "date": RATES_OF if day == "latest" else day, "rates": rates}


def summary(_: Mapping[str, str], title: str) -> Answer:
    """`GET /api/rest_v1/page/summary/{title}`."""
    if title in REDIRECTS:
        return 302, {"Location": REDIRECTS[title]}, None
    if title not in ARTICLES:
        return (
            404,
            {"Content-Type": "application/problem+json"},
            {
                "type": "https://mediawiki.org/wiki/HyperSwitch/errors/not_found",
                "title": "Not found.",
                "method": "get",
                "detail": "Page or revision not found.",
                "uri": f"/en.wikipedia.org/v1/page/summary/{title}",
            },
        )
    page = {"desktop": {"page": f"https://en.wikipedia.org/wiki/{title}"}}
    return 200, {}, {"namespace": {"id": 0, "text": ""}, "lang": "en", **ARTICLES[title], "content_urls": page}


ROUTES: Final[dict[str, Callable[..., Answer]]] = {
    "/v1/search": geocoding,
    "/v1/forecast": forecast,
    "/api/v3/PublicHolidays/": holidays,
    "/api/rest_v1/page/summary/": summary,
    "/v1/": rates,
}
"""By prefixes of the path; the first match counts."""

VARIABLES: Final = ("GEOCODING", "WEATHER", "HOLIDAYS", "EXCHANGE", "ENCYCLOPEDIA")


@dataclass
class Fault:
    """A response instead of the API's: after `delay` seconds, this status with these headers and this body."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    trickle: bool = False
    """One byte at a time, for ever."""


class Apis(ThreadingHTTPServer):
    """The server, in its own thread; `seen` are the requests: method, path, headers and body."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0, routes: Mapping[str, Callable[..., Answer]] | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.routes = {**(routes or {}), **ROUTES}
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.gone = threading.Event()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """The paths of the requests, with their queries."""
        return [path for _, path, _, _ in self.seen]

    def settings(self) -> dict[str, str]:
        """The environment variables that replace the public servers."""
        urls = {f"HEADWAY_AGENT_{name}_URL": self.url for name in VARIABLES}
        return {**urls, "HEADWAY_AGENT_PRIVATE_HOSTS": f"127.0.0.1:{self.server_port}"}

    def serve_tls(self, certificate: Any) -> None:
        """Uses TLS from now on, with the certificate of `tests.conftest`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certfile, certificate.keyfile)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs no disconnects."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Apis
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the name that the standard library calls
        """Answers as the API does, or with the next fault of the path."""
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        fault = next((faults for path, faults in self.server.faults.items() if parts.path.startswith(path)), [])
        if fault:
            self._fail(fault.pop(0))
            return
        for path, answer in self.server.routes.items():
            if parts.path.startswith(path):
                rest = [unquote(part) for part in parts.path.removeprefix(path).split("/") if part]
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                self._answer(*answer(query, *rest))
                return
        self._answer(404, {}, None)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self, status: int, headers: Mapping[str, str], value: Any) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self._send(status, {"Content-Type": "application/json; charset=utf-8", **headers}, body)

    def _fail(self, fault: Fault) -> None:
        if self.server.gone.wait(fault.delay):
            return
        if fault.trickle:
            self._trickle()
            return
        self._send(fault.status, fault.headers, fault.body or b"")

    def _trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while not self.server.gone.wait(0.05):
                self.wfile.write(b" ")
        except OSError:
            self.close_connection = True

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


if __name__ == "__main__":
    with Apis(int(sys.argv[1])) as apis:
        sys.stdout.write("".join(f"export {name}={value}\n" for name, value in apis.settings().items()))
        sys.stdout.flush()
        while True:
            time.sleep(3600)
