"""The settings: what each takes, what it refuses, and in which words."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from streaming import HeadwayError, SettingError
from streaming.settings import Settings

GOOD: dict[str, list[tuple[Any, Any]]] = {
    "store": [
        ("memory:", "memory:"),
        ("sqlite:///var/headway.db", "sqlite:///var/headway.db"),
        ("sqlite:////srv/headway.db", "sqlite:////srv/headway.db"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
    ],
    "heartbeat": [("15", 15.0), ("0.5", 0.5), (20, 20.0), (1.5, 1.5)],
    "linger": [("0", 0.0), ("30", 30.0), ("none", None), ("None", None), (0, 0.0), (None, None)],
    "retention": [("0", 0.0), ("3600", 3600.0)],
    "send_timeout": [("30", 30.0)],
    "max_runs": [("1", 1), (7, 7), (" 9 ", 9)],
    "max_streams": [("10000", 10_000)],
    "max_runs_per_client": [("20", 20)],
    "max_body": [("67108864", 67_108_864)],
    "drain": [("0", 0.0), ("2.5", 2.5)],
    "api_keys": [("ann:k1", {"k1": "ann"}), ("ann:k1, ann:k2,bob:k:3,", {"k1": "ann", "k2": "ann", "k:3": "bob"})],
    "cors_origins": [
        ("*", ("*",)),
        (["https://a.example", "http://b.example"], ("https://a.example", "http://b.example")),
        ("https://a.example/, http://b.example:8080", ("https://a.example", "http://b.example:8080")),
    ],
    "llm_base_url": [("http://localhost:11434/v1", "http://localhost:11434/v1")],
    "llm_api_key": [("sk-1", "sk-1")],
    "llm_model": [("llama", "llama")],
    "gateway": [
        (
            "chat=http://a.example/s?x=1,b=https://b.example",
            {"chat": "http://a.example/s?x=1", "b": "https://b.example"},
        )
    ],
    "simulate": [("1", True), ("0", False), ("true", True), ("OFF", False), ("", False), (True, True), (False, False)],
    "celery_broker": [("redis://localhost/1", "redis://localhost/1")],
}

COUNTS = ["0", "-1", "1.5", "x", "ten", [1], {}]
BAD: dict[str, list[Any]] = {
    "store": [
        "memory",
        "postgres://db",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/path",
        "redis://",
        "redis:///0",
        "://",
        5,
    ],
    "heartbeat": ["0", "-1", "x", "nan", "inf", [], {}],
    "linger": ["-1", "x", "nan", "inf", "never"],
    "retention": ["-1", "x", "nan"],
    "send_timeout": ["0", "-5", "x"],
    "max_runs": COUNTS,
    "max_streams": COUNTS,
    "max_runs_per_client": COUNTS,
    "max_body": [*COUNTS, "64MB"],
    "drain": ["-1", "x"],
    "api_keys": ["key", ":key", "owner:", "ann:k,bob:k", ",", {"ann": "k"}],
    "cors_origins": ["example.org", "https://", "ftp://a.example", "https://a.example,nonsense"],
    "llm_base_url": ["localhost:8080", "file:///etc/passwd", "http://"],
    "gateway": ["chat", "chat=", "=http://a.example", "chat=a.example"],
    "simulate": ["2", "maybe", "yes please"],
}

SECRETS = {"api_keys", "llm_api_key"}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    """One case for each value."""
    return [pytest.param(name, value, id=f"{name}={value!r}") for name, values in table.items() for value in values]


def test_every_setting_is_tried() -> None:
    """The tables of this module leave no setting out; three of them take any text."""
    assert set(GOOD) == {field.name for field in fields(Settings)}
    assert set(GOOD) - set(BAD) == {"llm_api_key", "llm_model", "celery_broker"}


@pytest.mark.parametrize(("name", "case"), cases(GOOD))
def test_a_value_that_is_taken(name: str, case: tuple[Any, Any]) -> None:
    """A setting is read out of text as the environment has it, and out of Python's own values."""
    given, expected = case
    assert getattr(Settings.read({f"HEADWAY_{name.upper()}": given}), name) == expected


@pytest.mark.parametrize(("name", "value"), cases(BAD))
def test_a_value_that_is_refused(name: str, value: Any) -> None:
    """A value that cannot be read is refused in one line with the variable, the value and what it takes."""
    variable = f"HEADWAY_{name.upper()}"
    with pytest.raises(SettingError) as caught:
        Settings.read({variable: value})
    (line,) = str(caught.value).splitlines()
    shown = "(not shown)" if name in SECRETS else repr(value)
    takes = next(field.metadata["takes"] for field in fields(Settings) if field.name == name)
    assert line == f"{variable} is {shown}; it takes {takes}"
    assert isinstance(caught.value, HeadwayError)


def test_a_value_of_several_lines_is_refused_in_one() -> None:
    """A line end in a value does not reach the error's own line."""
    with pytest.raises(SettingError, match=r"^HEADWAY_DRAIN is 'ten\\nseconds'; it takes .*$"):
        Settings.read({"HEADWAY_DRAIN": "ten\nseconds"})


@pytest.mark.parametrize("name", ["heartbeat", "store", "max_runs", "api_keys", "cors_origins"])
@pytest.mark.parametrize("value", ["", None])
def test_what_is_empty_is_unset(name: str, value: str | None) -> None:
    """An empty variable leaves the default."""
    assert Settings.read({f"HEADWAY_{name.upper()}": value}) == Settings()


def test_the_defaults() -> None:
    """What the contract says of a setting that nobody has set."""
    settings = Settings.read({})
    assert settings == Settings(
        store="memory:",
        heartbeat=15.0,
        linger=0.0,
        retention=3600.0,
        send_timeout=30.0,
        max_runs=100,
        max_streams=10_000,
        max_runs_per_client=20,
        max_body=67_108_864,
        drain=10.0,
        api_keys=None,
        cors_origins=(),
        llm_base_url=None,
        llm_api_key=None,
        llm_model=None,
        gateway=None,
        simulate=False,
        celery_broker=None,
    )


def test_defaults_of_the_callers_own_give_way() -> None:
    """A caller's default holds where the mapping says nothing."""
    mapping = {"HEADWAY_LINGER": "7"}
    settings = Settings.read(mapping, linger=5.0, drain=1.0)
    assert (settings.linger, settings.drain) == (7.0, 1.0)


def test_names_without_a_prefix() -> None:
    """Where the names have no prefix, an error names them as they are."""
    assert Settings.read({"MAX_RUNS": "3", "HEADWAY_MAX_RUNS": "5"}, prefix="").max_runs == 3
    with pytest.raises(SettingError, match=r"^MAX_RUNS is 'x'; it takes a whole number above 0$"):
        Settings.read({"MAX_RUNS": "x"}, prefix="")


def test_settings_do_not_change() -> None:
    """What a worker was told at its start holds."""
    with pytest.raises(FrozenInstanceError):
        Settings().drain = 5.0  # type: ignore[misc]
