"""`chart_file`: the chart as SVG or PNG. Drawing itself needs the extra `charts`, so it is in the long form."""

from __future__ import annotations

import copy
import struct
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from operations import analyze as module
from operations.analytics import drawing, pictures
from operations.analytics.charts import chart
from operations.analyze import Analysis, analyze
from streaming.runs.files import FileEvent
from tests.operations.test_analyze import run

CITIES = "SELECT * FROM (VALUES ('Lisbon', 3), ('Porto', 2)) AS t(city, orders)"
COLUMNS = [
    {"name": "city", "type": "VARCHAR", "kind": "varchar"},
    {"name": "orders", "type": "INTEGER", "kind": "integer"},
]
CHART = chart(COLUMNS, [{"city": "Lisbon", "orders": 3}, {"city": "Porto", "orders": 2}]) or {}


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is there, as far as the input is concerned."""
    monkeypatch.setattr(module, "installed", lambda: True)


def files_of(events: list[Any]) -> list[FileEvent]:
    """The files that a run has handed over."""
    return [event for event in events if isinstance(event, FileEvent)]


def test_the_input_says_which_pictures_there_are() -> None:
    """The option is in the schema, with both kinds and no picture by default."""
    option = analyze.describe(0)["input"]["properties"]["chart_file"]
    assert {"enum": ["svg", "png"], "type": "string"} in option["anyOf"]
    assert option["default"] is None
    assert "chart.svg" in option["description"]


def test_without_the_extra_the_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the field, and the command that installs what is missing."""
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'vl-convert-python") as failure:
        Analysis(sql="SELECT 1", chart_file="svg")
    assert failure.value.errors()[0]["loc"] == ("chart_file",)
    assert Analysis(sql="SELECT 1", chart_file=None).chart_file is None


@pytest.mark.usefixtures("extra")
def test_other_kinds_are_refused() -> None:
    """Only SVG and PNG are drawn."""
    with pytest.raises(ValidationError, match="'svg' or 'png'"):
        Analysis(sql="SELECT 1", chart_file="pdf")


def test_without_the_option_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart is in the result, and no process is started for it."""
    monkeypatch.setattr(module, "picture", lambda *_: pytest.fail("a picture that nobody asked for"))
    events, result = run(sql=CITIES)
    assert result["chart"] == CHART
    assert files_of(events) == []
    assert result["warnings"] == []


@pytest.mark.usefixtures("extra")
@pytest.mark.parametrize(("kind", "media_type"), [("svg", "image/svg+xml"), ("png", "image/png")])
def test_the_picture_is_a_file_of_the_run(kind: str, media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn from the chart of the result, and has its media type."""
    monkeypatch.setattr(module, "picture", lambda *drawn: repr(drawn).encode())
    events, result = run(sql=CITIES, chart_file=kind)
    [picture] = files_of(events)
    assert (picture.filename, picture.type) == (f"chart.{kind}", media_type)
    assert picture.source == repr((CHART, kind)).encode()
    assert (result["chart"], result["warnings"]) == (CHART, [])


@pytest.mark.usefixtures("extra")
def test_rows_without_a_chart_have_no_picture() -> None:
    """A warning says so, as an event and in the result; the rows are there."""
    events, result = run(sql="SELECT 1 AS one", chart_file="png")
    assert files_of(events) == []
    assert result["rows"] == [{"one": 1}]
    assert [warning["code"] for warning in result["warnings"]] == ["no_chart"]
    assert [event.data for event in events if event.name == "warning"] == result["warnings"]


@pytest.mark.usefixtures("extra")
def test_a_chart_that_cannot_be_drawn_costs_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that draws may crash: the answer is there, with a warning."""
    monkeypatch.setattr(pictures._Drawer, "module", "operations.analytics.nowhere")
    events, result = run(sql=CITIES, chart_file="svg")
    assert files_of(events) == []
    assert (len(result["rows"]), result["chart"]) == (2, CHART)
    assert [warning["code"] for warning in result["warnings"]] == ["chart_not_drawn"]


OTHERS: dict[str, dict[str, Any]] = {
    "data of a URL": {"data": {"url": "http://127.0.0.1:9/data.csv"}},
    "data of a file": {"data": {"url": "file:///etc/hostname"}},
    "data of a URL beside its own": {"data": {"values": [], "url": "http://127.0.0.1:9/data.csv"}},
    "an image": {"mark": {"type": "image"}, "encoding": {"url": {"value": "http://127.0.0.1:9/a.png"}}},
    "a link": {"encoding": {"href": {"value": "http://127.0.0.1:9/"}}},
    "a link of a mark": {"mark": {"type": "bar", "href": "http://127.0.0.1:9/"}},
    "an expression": {"encoding": {"x": {"field": "city", "scale": {"domain": {"expr": "1"}}}}},
    "a transform": {"transform": [{"calculate": "1", "as": "n"}]},
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_specifications_are_not_drawn(what: str) -> None:
    """Vega would load or compute what they name."""
    drawing.check(copy.deepcopy(CHART))
    with pytest.raises(ValueError, match="no chart of ours"):
        drawing.check({**CHART, **OTHERS[what]})


SHAPES = {
    "bars": (CITIES, ["Lisbon", "Porto", "city", "orders"]),
    "a line": (
        "SELECT DATE '2026-01-01' + n::INT AS day, n * n AS total FROM range(28) t(n)",
        ["Sat 03", "Jan 11", "day", "total"],
    ),
    "lines": (
        "SELECT DATE '2026-03-01' + n::INT AS day, n % 2 = 0 AS even, n AS total FROM range(6) t(n)",
        ["even", "true", "false"],
    ),
    "points": ("SELECT n AS width, n * n AS height FROM range(20) t(n)", ["width", "height"]),
    "letters": (
        "SELECT * FROM (VALUES ('<script>&' || chr(1), 3), ('東京 \"x\"', 2)) AS t(\"a.b[c]\", orders)",
        ["<script>&\N{REPLACEMENT CHARACTER}", '東京 "x"', "a.b[c]"],
    ),
}


ELEMENTS = frozenset({"svg", "g", "path", "rect", "line", "text", "defs", "clipPath"})


@pytest.mark.long  # the extra `charts` takes 84 MB
@pytest.mark.parametrize("what", SHAPES)
def test_an_svg_has_the_labels_and_nothing_from_elsewhere(what: str) -> None:
    """It is XML with the text of the axes, without scripts, references and handlers of events."""
    pytest.importorskip("vl_convert")
    sql, labels = SHAPES[what]
    events, result = run(sql=sql, chart_file="svg")
    assert result["warnings"] == []
    [picture] = files_of(events)
    assert isinstance(picture.source, bytes)
    root = ElementTree.fromstring(picture.source)
    assert (root.tag, root.get("width")) == ("{http://www.w3.org/2000/svg}svg", "800")
    elements = list(root.iter())
    assert {element.tag.rpartition("}")[2] for element in elements} <= ELEMENTS
    names = {name.rpartition("}")[2] for element in elements for name in element.attrib}
    assert not [name for name in names if name in ("href", "src") or name.startswith("on")]
    texts = {element.text for element in elements if element.text}
    assert texts >= set(labels)


@pytest.mark.long
def test_a_png_has_twice_the_pixels() -> None:
    """Its header says so; letters that no font has are boxes."""
    pytest.importorskip("vl_convert")
    events, result = run(sql=SHAPES["letters"][0], chart_file="png")
    assert result["warnings"] == []
    [picture] = files_of(events)
    assert isinstance(picture.source, bytes)
    assert picture.source.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture.source[16:24]) == (1600, 800)


@pytest.mark.long
def test_a_specification_with_a_url_is_refused_by_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    """It loads nothing, and the log says why there is no picture."""
    pytest.importorskip("vl_convert")
    assert pictures.picture({**CHART, "data": {"url": "file:///etc/hostname"}}, "svg") is None
    assert "no chart of ours" in capfd.readouterr().err


@pytest.mark.long
def test_drawing_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed after it."""
    pytest.importorskip("vl_convert")
    monkeypatch.setattr(pictures, "SECONDS", 0.01)
    monkeypatch.setattr("operations.analytics.engine.GRACE", 0.01)
    assert pictures.picture(CHART, "svg") is None
