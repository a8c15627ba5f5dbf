"""Line plots as SVG (W3C SVG 1.1) with two logarithmic axes: no library is needed for that."""

import math
from collections.abc import Mapping, Sequence
from html import escape

Lines = Mapping[str, Sequence[tuple[float, float]]]

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 40, 40
COLOURS = ("#0b6bcb", "#c4462d", "#2e8b57", "#8a5fbf", "#b8860b", "#555555")


def draw(title: str, lines: Lines) -> str:
    """The lines with a mark at each point, and their names beside their ends."""
    counts = sorted({x for points in lines.values() for x, _ in points})
    values = [y for points in lines.values() for _, y in points]
    decades = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    ticks = [10.0**decade * step for decade in decades[:-1] for step in (1, 2, 5)] + [10.0 ** decades[-1]]
    parts = [_text(LEFT, 20, title, "start", "font-weight:bold")]
    for value in ticks:
        y = _y(value, ticks)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:g}", "end"))
    parts += [_text(_x(count, counts), HEIGHT - BOTTOM + 20, f"{int(count):,}", "middle") for count in counts]
    names: list[float] = []
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        at = [(_x(x, counts), _y(y, ticks)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        y = at[-1][1] + 4
        while any(abs(y - other) < 14 for other in names):  # names do not overlap
            y -= 14
        names.append(y)
        parts.append(_text(WIDTH - RIGHT + 10, y, name, "start", f"fill:{colour}"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    return "\n".join(
        [f'{head} font-size="12" role="img">', f"<title>{escape(title)}</title>", _ground(), *parts, "</svg>\n"]
    )


def _ground() -> str:
    return f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{style}">{escape(text)}</text>'


def _x(count: float, counts: Sequence[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * _share(count, counts)


def _y(value: float, ticks: Sequence[float]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(value, ticks)


def _share(value: float, ticks: Sequence[float]) -> float:
    """Where a value lies between the first and the last of these, on a logarithmic axis."""
    return math.log(value / ticks[0]) / (math.log(ticks[-1] / ticks[0]) or 1)
