"""The process in which vl-convert draws a chart: V8 runs Vega in it, the library that the console draws with.

It reads one line of JSON from standard input, `{"draw": SPECIFICATION, "type": "svg" | "png"}`, writes
`{"chart": BASE64}` and `{"end": true}`, or `{"failed": true}`, to standard output, and exits. It imports nothing of the
service.

V8 reserves 64 GB of addresses that it never touches, so the process has a limit of its data (RLIMIT_DATA) where the
database's has one of its addresses; of 620 MB that it maps it uses 130.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import shutil
import sys
import traceback
from typing import Any, Final

from ..processes import limit_process

DATA: Final = 2 << 30
"""Bytes of memory that may be written."""
CPU_SECONDS: Final = 60
"""Of a process whose worker has died: it would not see that while it draws."""

WIDTH: Final = 800
HEIGHT: Final = 400
"""Of an SVG, in pixels."""
SCALE: Final = 2
"""Pixels of a PNG for each of an SVG."""
WIDE_BAR: Final = 80
"""Pixels of a bar from which on its label is horizontal, as in the console."""

MEMBERS: Final = frozenset({"$schema", "data", "mark", "encoding"})
MARKS: Final = frozenset({"bar", "line", "point"})
CHANNELS: Final = frozenset({"x", "y", "color"})
OPTIONS: Final = frozenset({"field", "type", "title", "sort", "scale"})

NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may have (XML 1.0, section 2.2), and the values of a table can."""

SHAPES: Final = {
    "background": "white",
    "view": {"stroke": "transparent"},
    "bar": {"cornerRadiusEnd": 3},
    "line": {"strokeWidth": 2.5, "strokeJoin": "round"},
    "point": {"filled": True, "size": 60, "opacity": 0.75},
}
"""The console's; its colours and fonts are those of the page, so a file has Vega's."""


def draw(spec: dict[str, Any], kind: str) -> bytes:
    """The chart as SVG, or as PNG. Raises `ValueError` for a specification that `charts` does not make."""
    import vl_convert

    check(spec)
    is_wide = len(spec["data"]["values"]) * WIDE_BAR < WIDTH
    angle = {"axisX": {"labelAngle": 0}} if is_wide else {}
    sized = {**_printable(spec), "width": WIDTH, "height": HEIGHT, "autosize": {"type": "fit", "contains": "padding"}}
    svg = vl_convert.vegalite_to_svg(sized, config=SHAPES | angle, allowed_base_urls=[])
    return svg.encode() if kind == "svg" else bytes(vl_convert.svg_to_png(svg, scale=SCALE))


def check(spec: dict[str, Any]) -> None:
    """Raises `ValueError` unless the specification has its data, and only what `charts` writes: with more, Vega could
    be told to load a URL, or to compute.
    """
    mark, channels = spec["mark"], spec["encoding"]
    is_known = (
        spec.keys() <= MEMBERS
        and spec["data"].keys() == {"values"}
        and mark.keys() <= {"type", "tooltip"}
        and mark["type"] in MARKS
        and channels.keys() <= CHANNELS
        and all(
            channel.keys() <= OPTIONS and channel.get("scale", {}).keys() <= {"zero"} for channel in channels.values()
        )
    )
    if not is_known:
        raise ValueError("this is no chart of ours")


def _printable(value: Any) -> Any:
    """The specification without the characters at which vl-convert aborts as it measures a label."""
    if isinstance(value, str):
        return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value


def main(folder: str) -> None:
    """Runs the process; `folder` is its own, and is removed at its end."""
    limit_process({resource.RLIMIT_DATA: DATA, resource.RLIMIT_CPU: CPU_SECONDS})
    os.environ["TZ"] = "UTC"  # a time without a zone stands in the chart as it stands in the rows
    try:
        command = json.loads(sys.stdin.readline())
        messages: tuple[dict[str, Any], ...]
        messages = ({"chart": base64.b64encode(draw(command["draw"], command["type"])).decode()}, {"end": True})
    except BaseException:  # noqa: BLE001  # nothing above would report it
        traceback.print_exc()
        messages = ({"failed": True},)
    for message in messages:
        print(json.dumps(message), flush=True)  # noqa: T201  # the service reads it
    shutil.rmtree(folder, ignore_errors=True)
    sys.stderr.flush()
    os._exit(0)  # V8's threads are still there
