"""The process that recognises the text in pictures, with RapidOCR (extra `ocr`). `recogniser` starts it.

It reads a line of JSON, `{"width": W, "height": H}`, and W x H x 3 bytes of red, green and blue; it answers with a line
of JSON: a list of `{"text", "confidence", "words": [[TEXT, LEFT, TOP, RIGHT, BOTTOM], ...]}`, in pixels. And so on,
until its input ends.

The models are those in RapidOCR's wheel (PP-OCRv6, small): Chinese, Japanese, English and the languages in Latin
script. Nothing is downloaded: their files are named, and a release of RapidOCR that has none counts as not installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..processes import die_with, limit_process

MEMORY: Final = 3 << 29
"""Bytes of address space. A page takes 0.9 GB of it, of which 0.4 GB are memory, and a long line more."""
SIDE: Final = 960
"""Pixels of the longer side of the picture in which lines are looked for; they are read from the whole one."""
LOWEST: Final = 0.5
"""The confidence below which a line is a pattern and no text."""
THREADS: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""The environment of this process: threads for each processor would take a gigabyte of address space."""


def models() -> dict[str, str] | None:
    """The files of the two models, by the option that takes them; `None` if they are not installed."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    files: dict[str, str] = {}
    for part in ("Det", "Rec"):
        found = sorted((Path(spec.origin).parent / "models").glob(f"*_{part.lower()}_*.onnx"))
        if not found:
            return None
        files[f"{part}.model_path"] = str(found[0])
    return files


def main() -> None:
    """Recognises pictures until the input ends."""
    die_with(os.getppid())
    limit_process({resource.RLIMIT_AS: MEMORY})
    engine = _engine()
    while head := sys.stdin.buffer.readline():
        size = json.loads(head)
        pixels = sys.stdin.buffer.read(size["width"] * size["height"] * 3)
        lines = list(_lines(engine, pixels, size["width"], size["height"]))
        sys.stdout.write(json.dumps(lines) + "\n")
        sys.stdout.flush()


def _engine() -> Any:
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    options = {
        **(models() or {}),
        "Global.log_level": "critical",
        "Global.use_cls": False,  # it only tells lines that stand upside down
        "Global.max_side_len": 4_000,  # larger than any picture here: shrinking would make small print unreadable
        "Det.limit_type": "max",
        "Det.limit_side_len": SIDE,
        "Rec.rec_batch_num": 1,  # a line at a time takes half of the memory, and no longer
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return RapidOCR(params=options)


def _lines(engine: Any, pixels: bytes, width: int, height: int) -> Iterator[dict[str, Any]]:
    import numpy

    picture = numpy.frombuffer(pixels, numpy.uint8).reshape(height, width, 3)[:, :, ::-1]
    found = engine(picture, return_word_box=True)
    if not found.txts:
        return
    for text, confidence, box, words in zip(found.txts, found.scores, found.boxes, found.word_results, strict=True):
        if confidence >= LOWEST and text.strip():
            yield {
                "text": text.strip(),
                "confidence": round(float(confidence), 2),
                "words": _words(text, words, _sides(box)),
            }


def _sides(corners: Any) -> list[float]:
    xs, ys = [float(x) for x, _ in corners], [float(y) for _, y in corners]
    return [min(xs), min(ys), max(xs), max(ys)]


def _words(text: str, parts: Any, line: list[float]) -> list[list[Any]]:
    """The words of a line with their boxes: a Chinese character is a part of its own, and joined with the others.

    Without a part for each of its characters, the line is one word.
    """
    placed = [(str(part).strip(), _sides(corners)) for part, _, corners in parts if corners is not None]
    words: list[list[Any]] = []
    at = 0
    for word in text.split():
        sides: list[list[float]] = []
        rest = word
        while rest and at < len(placed) and rest.startswith(placed[at][0]):
            rest = rest[len(placed[at][0]) :]
            sides.append(placed[at][1])
            at += 1
        if rest or not sides:
            return [[text.strip(), *line]]
        x0s, _, x1s, _ = zip(*sides, strict=True)
        words.append([word, min(x0s), line[1], max(x1s), line[3]])
    return words
