"""The settings, the library's and the service's: what each takes, what it refuses, in which words, and who sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import Any

import pytest
from flask import Flask

from operations.settings import GatewayEntry, ServiceSettings, configure, settings
from streaming import BaseSettings, Headway, HeadwayError, SettingError, setting
from streaming.settings import Settings
from streaming.stores.redis.store import RedisStore
from streaming.variables import unknown_variables
from tests.servers import ROOT, environment

GOOD: dict[str, list[tuple[Any, Any]]] = {
    "store": [
        ("memory:", "memory:"),
        ("sqlite:///var/headway.db", "sqlite:///var/headway.db"),
        ("sqlite:////srv/headway.db", "sqlite:////srv/headway.db"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("rediss://ann:secret@localhost:6379/0", "rediss://ann:secret@localhost:6379/0"),
    ],
    "heartbeat": [("15", 15.0), ("0.5", 0.5), (20, 20.0), (1.5, 1.5)],
    "linger": [("0", 0.0), ("30", 30.0), ("none", None), ("None", None), (0, 0.0), (None, None)],
    "retention": [("0", 0.0), ("3600", 3600.0)],
    "files": [
        ("store:", "store:"),
        ("file:///srv/files", "file:///srv/files"),
        ("file:///srv/a%20b", "file:///srv/a%20b"),
    ],
    "celery_broker": [
        ("redis://h:6379/1", "redis://h:6379/1"),
        ("amqp://u:p@h:5672/v", "amqp://u:p@h:5672/v"),
        ("sqs://", "sqs://"),
    ],
    "store_bytes": [("268435456", 268_435_456), (1, 1)],
    "send_timeout": [("30", 30.0)],
    "max_runs": [("1", 1), (7, 7), (" 9 ", 9)],
    "max_streams": [("10000", 10_000)],
    "max_runs_per_client": [("20", 20)],
    "max_streams_per_client": [("3", 3)],
    "proxies": [("0", 0), ("2", 2)],
    "hosts": [
        ("App.example.org, .example.org,", ("app.example.org", ".example.org")),
        ("*", ("*",)),
        ("127.0.0.0/8,[::1],10.1.2.3:8000,fd00::/8", ("127.0.0.0/8", "[::1]", "10.1.2.3:8000", "fd00::/8")),
    ],
    "max_body": [("67108864", 67_108_864)],
    "max_json": [("4194304", 4_194_304)],
    "body_timeout": [("60", 60.0), ("0.5", 0.5)],
    "drain": [("0", 0.0), ("2.5", 2.5)],
    "api_keys": [("ann:k1", {"k1": "ann"}), ("ann:k1, ann:k2,bob:k:3,", {"k1": "ann", "k2": "ann", "k:3": "bob"})],
    "cors_origins": [
        ("*", ("*",)),
        (["https://a.example", "http://b.example"], ("https://a.example", "http://b.example")),
        ("https://a.example/, http://b.example:8080", ("https://a.example", "http://b.example:8080")),
        (
            "HTTPS://A.example:443,http://b.example:80/,https://[::1]:8443",
            ("https://a.example", "http://b.example", "https://[::1]:8443"),
        ),
    ],
    "cors_credentials": [("1", True), ("0", False), (True, True)],
    "secret": [("a long random text", "a long random text")],
    "metrics_key": [("a long random text", "a long random text")],
    "llm_base_url": [("http://localhost:11434/v1", "http://localhost:11434/v1")],
    "llm_api_key": [("sk-1", "sk-1")],
    "llm_model": [("llama", "llama")],
    "gateway": [
        (
            "chat=http://a.example/s?x=1,b=https://b.example",
            {"chat": GatewayEntry("http://a.example/s?x=1"), "b": GatewayEntry("https://b.example")},
        ),
        (
            "chat=http://a.example;dialect=openai;idle=300;total=3600;key=A_KEY",
            {"chat": GatewayEntry("http://a.example", "openai", "A_KEY", 300.0, 3600.0)},
        ),
    ],
    "model_file": [("/models/qwen.gguf", "/models/qwen.gguf")],
    "model_context": [("16384", 16384)],
    "model_threads": [("8", 8)],
    "model_template": [("chatml", "chatml")],
    "log": [("text", "text"), ("JSON", "json"), ("", "text")],
    "log_level": [("info", "INFO"), (" DEBUG ", "DEBUG"), ("", "INFO")],
    "simulate": [("1", True), ("0", False), ("true", True), ("OFF", False), ("", False), (True, True), (False, False)],
    "llm_timeout": [("120", 120.0), (0.5, 0.5)],
    "concurrency": [("think=8, analyze=4,", {"think": 8, "analyze": 4})],
    "fetch_proxy": [("http://proxy.example:3128", "http://proxy.example:3128")],
    "document_hosts": [
        ("Docs.example.org, files.example.org:8443,", {"docs.example.org", "files.example.org:8443"}),
        (["docs.example.org"], {"docs.example.org"}),
    ],
    "agent_hosts": [("none", {"none"})],
    "agent_private_hosts": [("erp.example.org:8443", {"erp.example.org:8443"})],
    "agent_tools": [("my_tools:stock, my_tools:order", ("my_tools:stock", "my_tools:order"))],
    "agent_tools_file": [("/etc/headway/tools.toml", "/etc/headway/tools.toml")],
    "agent_contact": [("ops@example.org", "ops@example.org")],
    "agent_geocoding_url": [("http://127.0.0.1:8001/geo", "http://127.0.0.1:8001/geo")],
    "agent_weather_url": [("https://a.example", "https://a.example")],
    "agent_holidays_url": [("https://a.example", "https://a.example")],
    "agent_exchange_url": [("https://a.example", "https://a.example")],
    "agent_encyclopedia_url": [("https://a.example", "https://a.example")],
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
    "files": ["store", "file:", "file:///", "file://host/path", "s3://", "/srv/files", 5],
    "celery_broker": ["redis", "127.0.0.1:6379", "://h", "Redis: h", 5],
    "store_bytes": [*COUNTS, "1GB"],
    "send_timeout": ["0", "-5", "x"],
    "max_runs": COUNTS,
    "max_streams": COUNTS,
    "max_runs_per_client": COUNTS,
    "max_streams_per_client": COUNTS,
    "proxies": ["-1", "1.5", "x", [1], {}],
    "hosts": [",", "a b", "http://a.example", "a.example/x", "10.0.0.1/8", "a..b", "[a]", {}],
    "max_body": [*COUNTS, "64MB"],
    "max_json": [*COUNTS, "4MB"],
    "body_timeout": ["0", "-1", "x", "inf"],
    "drain": ["-1", "x"],
    "api_keys": ["key", ":key", "owner:", "ann:k,bob:k", ",", {"ann": "k"}],
    "cors_origins": [
        "example.org",
        "https://",
        "ftp://a.example",
        "https://a.example,nonsense",
        "https://a.example/app",
    ],
    "cors_credentials": ["2", "same-origin"],
    "fetch_proxy": ["proxy.example:3128", "socks4://a.example"],
    "llm_base_url": ["localhost:8080", "file:///etc/passwd", "http://", "http://a.example:99999"],
    "gateway": ["chat", "chat=", "=http://a.example", "chat=a.example"],
    "model_context": ["0", "-1", "4k"],
    "model_threads": ["0", "many"],
    "log": ["xml", "text,json", "1"],
    "log_level": ["loud", "20", "NOTSET"],
    "simulate": ["2", "maybe", "yes please"],
    "llm_timeout": ["0", "-1", "long", "nan", "inf"],
    "concurrency": ["think", "think=0", "think=two", "th/ink=2", "think=10001"],
    "agent_geocoding_url": ["example.org"],
    "agent_weather_url": ["ftp://example.org", "http://"],
    "agent_holidays_url": ["example.org"],
    "agent_exchange_url": ["example.org"],
    "agent_encyclopedia_url": ["example.org"],
}

SECRETS = {"api_keys", "fetch_proxy", "llm_api_key", "metrics_key", "secret"}
ANY_TEXT = {"secret", "metrics_key", "llm_api_key", "llm_model", "agent_contact", "agent_tools_file"} | {
    "model_file",
    "model_template",
}
ANY_LIST = {"document_hosts", "agent_hosts", "agent_private_hosts", "agent_tools"}
LISTS_OF_SECRETS = [["s3cret"], {"user": "s3cret"}]

WITH_SECRETS: dict[str, list[Any]] = {
    "store": [
        "redis://:s3cret@cache:port/0",
        "redis://ann:s3cret@cache:6379/zero",
        "redis://ann:s3cret",
        "redis://:s3cret",
        "rediss://cache:6379/0x?password=s3cret",
        "http://ann:s3cret@cache",
        "ann:s3cret@cache",
        "postgres://cache/db?password=s3cret#x",
        "postgres://cache/ann:s3cret",
        "redis://ann%3As3cret%40cache/x",
    ],
    "api_keys": ["s3cret", "ann:", "ann:s3cret,bob:s3cret", *LISTS_OF_SECRETS],
    "cors_origins": ["https://a.example,ftp://ann:s3cret@b.example"],
    "llm_base_url": [
        "http://ann:s3cret",
        "ftp://ann:s3cret@a.example",
        "a.example/v1?key=s3cret",
        "https//:s3cret@a.example",
    ],
    "gateway": [
        *("chat=ftp://ann:s3cret@a.example", "a=https://ok.example,b=a.example?token=s3cret", {"a": "s3cret"}),
        *(f"a=https://a.example;{option}" for option in ("", "idle", "idle=0", "idle=x", "dialect=x", "key=", "a=b")),
        "a=https://a.example;idle=1;idle=2",
    ],
    "agent_weather_url": ["ftp://ann:s3cret@a.example/", "a.example/?key=s3cret"],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    """One case for each value, named after what is set: the `repr` of an expected set differs between processes."""
    return [
        pytest.param(name, value, id=f"{name}={value[0] if isinstance(value, tuple) else value!r}")
        for name, values in table.items()
        for value in values
    ]


def class_of(name: str) -> type[BaseSettings]:
    """Where a setting is: in the library's, or in the service's."""
    return Settings if name in {field.name for field in fields(Settings)} else ServiceSettings


def test_every_setting_is_tried() -> None:
    """The tables of this module leave no setting out; some of them take any text."""
    names = [field.name for kind in (Settings, ServiceSettings) for field in fields(kind)]
    assert sorted(names) == sorted(GOOD)
    assert set(GOOD) - set(BAD) == ANY_TEXT | ANY_LIST


@pytest.mark.parametrize(("name", "case"), cases(GOOD))
def test_a_value_that_is_taken(name: str, case: tuple[Any, Any]) -> None:
    """A setting is read out of text as the environment has it, and out of Python's own values."""
    value, expected = case
    assert getattr(class_of(name).read({f"HEADWAY_{name.upper()}": value}), name) == expected


@pytest.mark.parametrize(("name", "value"), cases(BAD))
def test_a_value_that_is_refused(name: str, value: Any) -> None:
    """A value that cannot be read is refused in one line with the variable, the value and what it takes."""
    variable = f"HEADWAY_{name.upper()}"
    with pytest.raises(SettingError) as caught:
        class_of(name).read({variable: value})
    (line,) = str(caught.value).splitlines()
    shown = "(not shown)" if name in SECRETS else repr(value)
    assert line == f"{variable} is {shown}; it takes {takes(name)}"
    assert isinstance(caught.value, HeadwayError)


def takes(name: str) -> str:
    """What a setting takes, as errors say it."""
    return str(class_of(name).__dataclass_fields__[name].metadata["takes"])


@pytest.mark.parametrize(("name", "value"), cases(WITH_SECRETS))
def test_an_error_shows_no_secret(name: str, value: Any) -> None:
    """A value that may hold a password or a key is not shown, in whatever way it is wrong; the rest is said."""
    variable = f"HEADWAY_{name.upper()}"
    with pytest.raises(SettingError) as caught:
        class_of(name).read({variable: value})
    assert str(caught.value) == f"{variable} is (not shown); it takes {takes(name)}"
    assert caught.value.__suppress_context__  # the reader's own error may quote it


def test_an_error_of_ones_own_shows_no_secret() -> None:
    """Where the value is not shown, the reason, which may quote it, is not either."""
    error = ServiceSettings.error("agent_tools_file", "https://ann:s3cret@a.example/x", "no file: https://ann:s3cret@")
    assert str(error) == "HEADWAY_AGENT_TOOLS_FILE is (not shown); it takes a TOML or JSON file of tools"
    error = ServiceSettings.error("agent_tools_file", "/etc/x.toml", "No such file")
    assert (
        str(error) == "HEADWAY_AGENT_TOOLS_FILE is '/etc/x.toml' (No such file); it takes a TOML or JSON file of tools"
    )


@pytest.mark.parametrize("url", ["redis://cache:s3cret", "rediss://:s3cret@cache:6379/0?no_such_option=1"])
def test_a_store_of_ones_own_shows_no_secret(url: str) -> None:
    """A URL that is handed to the store in Python is refused in the same words."""
    with pytest.raises(SettingError) as caught:
        RedisStore(url)
    assert str(caught.value) == f"HEADWAY_STORE is (not shown); it takes {takes('store')}"


def test_keys_are_not_in_the_text_of_the_settings() -> None:
    """A log that prints the settings holds no key."""
    assert "s3cret" not in repr(Settings.read({"HEADWAY_API_KEYS": "ann:s3cret"}))
    assert "s3cret" not in repr(ServiceSettings.read({"HEADWAY_LLM_API_KEY": "s3cret"}))


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
        store_bytes=None,
        send_timeout=30.0,
        max_runs=100,
        max_streams=10_000,
        max_runs_per_client=20,
        max_body=67_108_864,
        max_json=4_194_304,
        drain=10.0,
        api_keys=None,
        cors_origins=(),
    )
    service = ServiceSettings.read({})
    assert (service.llm_base_url, service.llm_api_key, service.llm_model, service.llm_timeout) == (
        None,
        None,
        None,
        120,
    )
    assert (service.gateway, service.simulate, service.document_hosts) == (None, False, frozenset())


def test_defaults_of_the_callers_own_give_way() -> None:
    """A caller's default holds where the mapping says nothing."""
    mapping = {"HEADWAY_LINGER": "7"}
    settings = Settings.read(mapping, linger=5.0, drain=1.0)
    assert (settings.linger, settings.drain) == (7.0, 1.0)


def test_a_default_may_be_text() -> None:
    """It is read as in a mapping, and one that cannot be read is an error as well."""
    assert Settings.read({}, api_keys="ada:sesame").api_keys == {"sesame": "ada"}
    with pytest.raises(SettingError, match=r"^HEADWAY_STORE is 'nowhere:'"):
        Settings.read({}, store="nowhere:")


def test_the_last_mapping_wins() -> None:
    """A setting that it leaves out, or empty, is that of the one before."""
    environ = {"HEADWAY_DRAIN": "1", "HEADWAY_LINGER": "7", "HEADWAY_RETENTION": "60", "HEADWAY_MAX_RUNS": "5"}
    config = {"HEADWAY_DRAIN": 2, "HEADWAY_LINGER": None, "HEADWAY_RETENTION": None, "HEADWAY_MAX_RUNS": ""}
    read = Settings.read(environ, config)
    assert (read.drain, read.linger, read.retention, read.max_runs) == (2.0, None, 60.0, 5)
    with pytest.raises(SettingError, match=r"^HEADWAY_DRAIN is 'x'; "):
        Settings.read(environ, {"HEADWAY_DRAIN": "x"})


def test_names_without_the_prefix_are_not_read() -> None:
    """They belong to somebody else: another extension has a `STORE` and `API_KEYS` of its own."""
    others = {name.upper(): "nonsense" for name in GOOD} | {"headway_drain": "x", "Headway_Store": "x"}
    assert Settings.read(others) == Settings()
    assert repr(ServiceSettings.read(others)) == repr(ServiceSettings())


def test_settings_do_not_change() -> None:
    """What a worker was told at its start holds."""
    with pytest.raises(FrozenInstanceError):
        Settings().drain = 5.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        ServiceSettings().simulate = True  # type: ignore[misc]


# --- Flask's config --------------------------------------------------------------------------------------------------


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings, and as it was after the test, whatever the test has put there."""
    for name in GOOD:
        monkeypatch.setenv(f"HEADWAY_{name.upper()}", "")
    return monkeypatch


@pytest.mark.parametrize(("name", "case"), cases(GOOD))
def test_every_setting_is_read_from_an_applications_config(
    unset: pytest.MonkeyPatch, name: str, case: tuple[Any, Any]
) -> None:
    """Under the same name as in the environment, which it goes before."""
    value, expected = case
    app = Flask(__name__)
    app.config[f"HEADWAY_{name.upper()}"] = value
    unset.setenv(f"HEADWAY_{name.upper()}", "" if value == "" else str(OTHERWISE.get(name, GOOD[name][-1][0])))
    read: Callable[[], Any] = (lambda: configure(app.config)) if class_of(name) is ServiceSettings else headway_of(app)
    assert getattr(read(), name) == expected
    if class_of(name) is ServiceSettings:
        assert getattr(settings(), name) == expected


OTHERWISE = {"cors_origins": "https://c.example", "document_hosts": "c.example"}
"""Values for an environment, of settings whose last one in `GOOD` is a list of Python's."""


def headway_of(app: Flask) -> Callable[[], Settings]:
    """The settings of an application's extension."""
    return lambda: Headway(app).settings


def test_bare_names_in_a_config_are_ignored(unset: pytest.MonkeyPatch) -> None:
    """`app.config["STORE"]` is another extension's: neither the library nor the service reads it."""
    app = Flask(__name__)
    app.config.update(
        STORE="postgres://x", API_KEYS=["k"], CORS_ORIGINS="*", MAX_RUNS="many", SIMULATE="maybe", TURNS=1
    )
    assert Headway(app).settings == Settings()
    assert repr(configure(app.config)) == repr(ServiceSettings())


def test_settings_are_one_object_until_they_change(unset: pytest.MonkeyPatch) -> None:
    """What is made of them, such as the agent's tools, is kept for as long as they stay the same."""
    assert settings() is settings()
    before = settings()
    unset.setenv("HEADWAY_LLM_MODEL", "another")
    assert settings() is not before
    assert settings().llm_model == "another"


def test_what_cannot_be_read_changes_nothing(unset: pytest.MonkeyPatch) -> None:
    """A config with an error in it leaves the environment as it was."""
    with pytest.raises(SettingError, match=r"^HEADWAY_SIMULATE is 'maybe'; it takes 1 or 0$"):
        configure({"HEADWAY_LLM_MODEL": "mine", "HEADWAY_SIMULATE": "maybe"})
    assert os.environ["HEADWAY_LLM_MODEL"] == ""


def test_a_config_reaches_operations_wherever_they_run() -> None:
    """In a greenlet, in a thread, and in a process that is forked from another one; it goes before the environment."""
    config = {
        "HEADWAY_LLM_MODEL": "mine",
        "HEADWAY_LLM_API_KEY": "key",
        "HEADWAY_DOCUMENT_HOSTS": ["a.example", "b.example"],
        "HEADWAY_SIMULATE": True,
    }
    variables = {"HEADWAY_STORE": "memory:", "HEADWAY_LLM_MODEL": "theirs", "HEADWAY_SIMULATE": "0"}
    command = [sys.executable, "-c", f"from tests.apps.configured import main; main({json.dumps(config)!r})"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(variables), capture_output=True, text=True, timeout=60, check=True
    )
    expected = ["mine", "key", ["a.example", "b.example"], True]
    assert json.loads(done.stdout) == dict.fromkeys(("in_greenlet", "in_thread", "in_process"), expected)


@pytest.mark.parametrize(
    "config",
    [
        {"HEADWAY_STORE": "redis://:s3cret@cache:port"},
        {"HEADWAY_API_KEYS": "s3cret"},
        {"HEADWAY_GATEWAY": "chat=ann:s3cret@a.example"},
        {"HEADWAY_GATEWAY": "a b=https://ann:s3cret@a.example"},
        {"HEADWAY_AGENT_WEATHER_URL": "https://ann:s3cret@a.exam\x01ple"},
        {"HEADWAY_AGENT_TOOLS_FILE": "https://ann:s3cret@a.example/tools.toml"},
        {"HEADWAY_AGENT_TOOLS": "https://ann:s3cret@a.example"},
    ],
    ids=str,
)
def test_the_service_stops_with_one_line_and_no_secret(
    unset: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: dict[str, str]
) -> None:
    """Whatever part of it finds the error: it names the variable and what it takes."""
    unset.setenv("HEADWAY_STORE", "memory:")
    import app

    with pytest.raises(SystemExit) as caught:
        app.create_app(config)
    assert caught.value.code == app.BOOT_ERROR
    (line,) = capsys.readouterr().err.splitlines()
    ((variable, _),) = config.items()
    assert line.startswith(f"headway: {variable} is (not shown); it takes ")


def test_the_key_of_a_gateway(unset: pytest.MonkeyPatch) -> None:
    """It is in a variable of the environment, and goes out as its dialect wants it; a missing variable is named."""
    unset.setenv("HEADWAY_STORE", "memory:")
    import app

    unset.setenv("A_KEY", "s3cret")
    sent = {
        dialect: app._auth(ServiceSettings(), GatewayEntry("https://a.example", dialect, "A_KEY"))
        for dialect in ("", "openai", "anthropic")
    }
    headers = {dialect: auth and auth() for dialect, auth in sent.items()}
    assert headers[""] == headers["openai"] == {"Authorization": "Bearer s3cret"}
    assert headers["anthropic"] == {"x-api-key": "s3cret", "anthropic-version": "2023-06-01"}
    with pytest.raises(SettingError, match="'key=NO_SUCH_KEY' \\(there is no such variable, or it is empty\\)"):
        app._auth(ServiceSettings(), GatewayEntry("https://a.example", "", "NO_SUCH_KEY"))


# -- names that are no setting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        (["HEADWAY_RETENTON"], {"HEADWAY_RETENTON": "HEADWAY_RETENTION"}),
        (["HEADWAY_LLM_MODLE"], {"HEADWAY_LLM_MODLE": "HEADWAY_LLM_MODEL"}),
        (["HEADWAY_API_KEY", "HEADWAY_URL", "HEADWAY_API_KEYS"], {}),
        (["HEADWAY_AGENT_CONTACT", "HEADWAY_AGENT_OF_MY_TOOL"], {}),
        (["HEADWAY_DOCUMENT_HOSTS", "HEADWAY_LLM_TIMEOUT", "HEADWAY_CONCURRENCY", "HEADWAY_SIMULATE"], {}),
        (["HEADWAY_0"], {"HEADWAY_0": ""}),
        (["STORE", "headway_store", "PORT"], {}),
    ],
)
def test_unknown_names(names: list[str], unknown: dict[str, str]) -> None:
    """Each has the nearest name that is a setting; names of the service, of clients and of others are known."""
    assert unknown_variables(dict.fromkeys(names, "1")) == unknown


def test_a_variable_that_a_setting_names_is_known() -> None:
    """The key of a gateway is in any variable."""
    gateway = "chat=https://a.example;key=HEADWAY_CHAT_KEY"
    assert unknown_variables({"HEADWAY_GATEWAY": gateway, "HEADWAY_CHAT_KEY": "sk"}) == {}
    assert [*unknown_variables({"HEADWAY_GATEWAY": gateway, "HEADWAY_CHAT": "sk"})] == ["HEADWAY_CHAT"]


def test_an_application_warns_once_of_unknown_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the environment and of `config`, by the log, without values, and not again for a second extension."""
    monkeypatch.setenv("HEADWAY_HEARTBEET", "secret")
    app = Flask(__name__)
    app.config["HEADWAY_RETENTON"] = "secret"
    app.config["RETENTION"] = "of another extension"
    Headway(app)
    Headway(app, url_prefix="/two", name="two")
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("headway", "WARNING", "there is no setting HEADWAY_HEARTBEET: do you mean HEADWAY_HEARTBEAT?"),
        ("headway", "WARNING", "there is no setting HEADWAY_RETENTON: do you mean HEADWAY_RETENTION?"),
    ]


def test_known_names_are_no_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Every setting, wherever it is read."""
    monkeypatch.setenv("HEADWAY_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("HEADWAY_AGENT_HOSTS", "none")
    Headway(Flask(__name__))
    assert caplog.records == []


@pytest.mark.parametrize(("text", "value"), [("1", True), ("No", False), ("off", False), (" TRUE ", True)])
def test_a_switch_of_an_application(text: str, value: bool) -> None:
    """`bool` reads what Headway's own switches take: to Python any text is true, also "0"."""

    @dataclass(frozen=True, kw_only=True)
    class Own(BaseSettings):
        fast: bool = setting(False, bool, "1 or 0")

    assert Own.read({"HEADWAY_FAST": text}).fast is value
    with pytest.raises(SettingError, match="HEADWAY_FAST is '2'; it takes 1 or 0"):
        Own.read({"HEADWAY_FAST": "2"})


@pytest.mark.parametrize(
    ("name", "message"),
    [("retenton", "there is no setting 'retenton': do you mean 'retention'?"), ("zzz", "there is no setting 'zzz'")],
)
def test_a_keyword_that_is_no_setting(name: str, message: str) -> None:
    """It stops the start, with the nearest that is one."""
    misspelt: dict[str, Any] = {name: "5"}
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Headway(Flask(__name__), **misspelt)


def test_further_workers_of_gunicorn_do_not_repeat_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first worker of a master speaks for all."""
    monkeypatch.setenv("HEADWAY_HEARTBEET", "5")
    monkeypatch.setattr("streaming.http.gunicorn.is_further_worker", lambda: True)
    Headway(Flask(__name__))
    assert caplog.records == []
