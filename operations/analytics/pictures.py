"""A chart as a picture: SVG or PNG, drawn by vl-convert (BSD-3-Clause) where the extra `charts` is installed.

Measured, on two cores: vl-convert's wheel has 34 MB, 84 MB installed, and draws what the console draws, with the same
Vega-Lite, without a network. A chart in a new process takes 0.7 s and 115 MB; of 2,000 rows as PNG 1.1 s and 133 MB.
Libraries of pure Python are small, but draw other charts than the console, from other descriptions: pygal (LGPL, with
scripts in its SVG) needs Cairo for a PNG, svgwrite has no axes. What is that heavy and rarely asked for is an extra.
"""

from __future__ import annotations

import base64
import logging
from importlib.util import find_spec
from typing import Any, Final, Literal

from streaming import OperationError

from .engine import Engine

log = logging.getLogger("headway")

Kind = Literal["svg", "png"]

MEDIA_TYPES: Final = {"svg": "image/svg+xml", "png": "image/png"}
SECONDS: Final = 30.0
"""Time limit of a chart."""
NOT_INSTALLED: Final = "this service has no vl-convert (pip install 'vl-convert-python>=1.9,<2')"


class _Drawer(Engine):
    """The process of `drawing`."""

    module = "operations.analytics.drawing"

    def draw(self, chart: dict[str, Any], kind: Kind) -> bytes:
        command = {"draw": chart, "type": kind}
        return b"".join(
            base64.b64decode(message["chart"]) for message in self._perform(command, SECONDS, "Drawing the chart")
        )


def installed() -> bool:
    """Whether charts can be drawn."""
    return find_spec("vl_convert") is not None


def picture(chart: dict[str, Any], kind: Kind) -> bytes | None:
    """The picture of a chart of `charts`, or `None` if the process failed or took too long; the log says why."""
    try:
        with _Drawer() as drawer:
            return drawer.draw(chart, kind)
    except (OperationError, RuntimeError) as error:
        log.warning("the chart could not be drawn: %s", error)
        return None
