"""Whether what a PDF gives as its title is one, and not what a program wrote there."""

from __future__ import annotations

import re
from typing import Final

NONE: Final = {
    "untitled",
    "anonymous",
    "unspecified",
    "unknown",
    "none",
    "null",
    "title",
    "no title",
    "document",
    "print",
    "default",
    "unbenannt",
    "ohne titel",
    "unbekannt",
    "sans titre",
    "sin título",
    "senza titolo",
    "sem título",
    "naamloos",
    "untitled document",
    "blank page",
    "powerpoint presentation",
    "powerpoint-präsentation",
    "présentation powerpoint",
    "presentación de powerpoint",
    "slide 1",
    "folie 1",
    "diapositive 1",
}
"""What programs write when a document has no title."""

_NUMBERED: Final = re.compile(
    r"(?:untitled|unbenannt|document|dokument|book|mappe|presentation|präsentation|slide|folie)[ _-]?\d*"
)
_PROGRAM: Final = re.compile(r"(?:microsoft|openoffice|libreoffice|corel|adobe|wordperfect|quark\w*)\b[\w .]*? - .+")
"""`Microsoft Word - report.doc`: printer drivers write the program and the name of the window."""
_FILE: Final = re.compile(
    r"(?:.*[/\\])?[^/\\]*\."
    r"(?:docx?|docm|dotx?|rtf|odt|ott|ods|odp|odg|sxw|wp[ds]|pages|key|numbers|pptx?|pptm|ppsx?|xlsx?|xlsm|xlsb|csv|txt|md|rst"
    r"|tex|ltx|dvi|e?ps|pdf|pmd|p65|qxp|qxd|indd|indt|ai|fm|book|cdr|vsdx?|pub|mpp|dwg|dxf|x?html?|xml|xps|djvu?"
    r"|jpe?g|png|gif|bmp|tiff?|svg|heic|webp|eml|msg|dot)"
)
_LOCATION: Final = re.compile(r"(?:https?|file|ftp)://\S+|about:blank|[a-z]:\\.*|\\\\\S+\\.*")


def is_title(text: str) -> bool:
    """Whether the entry is a title: no name of a file, address, or what a program writes if it has none."""
    title = text.strip().strip("()[]<>\"'").strip().casefold()
    if not any(map(str.isalpha, title)) or title in NONE:
        return False
    return not any(pattern.fullmatch(title) for pattern in (_NUMBERED, _PROGRAM, _FILE, _LOCATION))
