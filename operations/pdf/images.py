"""A document of pictures: a PNG or JPEG file is one page, a TIFF file one or several. Opened like a PDF (`engine`)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import Unreadable
from .layout import Page
from .recogniser import Pixels, scale_of

FORMATS: Final = ("PNG", "JPEG", "TIFF")
MAX_PIXELS: Final = 60_000_000
"""Pixels of one page: A3 at 500 dots per inch."""
MAX_PAGES: Final = 2_000
"""Pages of a TIFF file that are counted."""
DOTS: Final = 150.0
"""Dots per inch of a picture that does not tell, or tells nonsense."""
PICTURE: Final = 1_000
_BEGINNINGS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_METADATA: Final = ("title", "author", "subject", "keywords", "creator", "producer", "created", "modified", "version")


def is_image(path: Path) -> bool:
    """Whether the file begins like a PNG, JPEG or TIFF file."""
    with path.open("rb") as file:
        return file.read(8).startswith(_BEGINNINGS)


class ImageDocument:
    """An open file of pictures. Use it in a `with` block; pages count from 1.

    Raises `Unreadable` with `damaged_image`, or `too_large` for more than `MAX_PIXELS` in a page.
    """

    def __init__(self, source: Path) -> None:
        with (
            ExitStack() as stack,
            _errors("damaged_image", "The picture is damaged, or in a form that cannot be read."),
        ):
            file = stack.enter_context(source.open("rb"))
            self._image = stack.enter_context(Image.open(file, formats=FORMATS))
            self.page_count = min(int(getattr(self._image, "n_frames", 1)), MAX_PAGES)
            self._frame(1).load()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def metadata(self) -> dict[str, Any]:
        """As of a PDF that has none."""
        return {**dict.fromkeys(_METADATA), "encrypted": False, "tagged": False}

    def outline(self) -> list[Any]:
        """A picture has none."""
        return []

    def read(self, number: int) -> Page:
        """The page, without text; `Unreadable` with `damaged_page` or `too_large`."""
        with _errors("damaged_page", f"Page {number} cannot be read."):
            frame = self._frame(number)
            frame.load()  # a file that is cut off has its size nevertheless
            width, height = self._size(frame)
        return Page(number, round(width, 1), round(height, 1), images=1, pictured=1.0)

    def pixels(self, number: int) -> Pixels:
        """The page for the recognition of its text."""
        with _errors("damaged_page", f"Page {number} cannot be read."):
            frame = self._frame(number)
            width, height = self._size(frame)
            scale = min(scale_of(width, height), max(frame.size) / max(width, height))
            shown = _shown(frame).resize((max(1, round(width * scale)), max(1, round(height * scale))))
        return Pixels(shown.width, shown.height, shown.tobytes(), scale)

    def notices(self) -> Any:
        """As of a PDF of which nothing is to be known."""
        from .engine import Notices

        return Notices(False, False, 0, [], [])

    def picture(self, number: int) -> bytes:
        """The page as a JPEG, whose longer side is `PICTURE` pixels at most."""
        with _errors("damaged_page", f"Page {number} cannot be read."):
            shown = _shown(self._frame(number))
            shown.thumbnail((PICTURE, PICTURE))
        file = io.BytesIO()
        shown.save(file, "JPEG", quality=70, optimize=True)
        return file.getvalue()

    def _frame(self, number: int) -> Image.Image:
        self._image.seek(number - 1)
        width, height = self._image.size
        if width * height > MAX_PIXELS:
            raise Unreadable("too_large", f"Page {number} has more than {MAX_PIXELS // 1_000_000} million pixels.")
        return self._image

    @staticmethod
    def _size(frame: Image.Image) -> tuple[float, float]:
        """Width and height in points, upright: cameras turn a picture by a note in it."""
        dots = float(max(frame.info.get("dpi", (DOTS,))))
        dots = dots if 50 <= dots <= 2_400 else DOTS
        width, height = (side * 72 / dots for side in frame.size)
        return (height, width) if frame.getexif().get(0x0112, 1) >= 5 else (width, height)


def _shown(frame: Image.Image) -> Image.Image:
    """The picture upright, on white, in red, green and blue."""
    upright = ImageOps.exif_transpose(frame)
    if "A" in upright.getbands() or "transparency" in upright.info:
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        return Image.alpha_composite(white, upright).convert("RGB")
    if upright.mode.startswith("I;16") or upright.mode == "I":
        upright = upright.point(lambda value: value / 256).convert("L")
    return upright.convert("RGB")


@contextmanager
def _errors(code: str, message: str) -> Iterator[None]:
    """Pillow raises much for a damaged file, and warns of large ones, which `_frame` bounds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        message = f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels."
        raise Unreadable("too_large", message) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError) as error:
        raise Unreadable(code, message) from error
