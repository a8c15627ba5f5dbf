"""Whether a server has read the whole prompt.

Some servers cut a prompt that is too long for their context without a word (Ollama does); only the tokens that they
count tell. No tokenizer reads two words, or a word and a mark, as one token, so a text has at least as many as those:
of scripts without spaces it takes a share of the characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_PIECES: Final = re.compile(r"[A-Za-z\u00c0-\u024f]+|\d{1,3}|[^\W\d_A-Za-z\u00c0-\u024f]+|[^\w\s]+")
_DENSE: Final = re.compile(r"[^\x00-\u024f]")
CHARACTERS_PER_TOKEN: Final = 4
"""Of scripts that may have no spaces: common words of four characters are one token."""
SHARE: Final = 0.8
"""The share of the least tokens below which a prompt was cut; some tokenizers join common marks, words and numbers."""
MIN_TOKENS: Final = 300
"""A prompt with fewer is not cut by any context that a server has."""


def least_tokens(text: str) -> int:
    """How many tokens a text has at least, for any usual tokenizer."""
    count = 0
    for piece in _PIECES.findall(text):
        count += max(1, len(piece) // CHARACTERS_PER_TOKEN) if _DENSE.match(piece) else 1
    return count


def was_cut(messages: Sequence[Mapping[str, Any]], prompt_tokens: int | None) -> bool:
    """Whether the server counts fewer tokens than the messages have. False if it counts none."""
    least = sum(least_tokens(str(message["content"])) for message in messages)
    return bool(prompt_tokens) and least > MIN_TOKENS and (prompt_tokens or 0) < SHARE * least
