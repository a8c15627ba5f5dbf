"""`<think>` tags, wherever a text is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from operations.llm.tags import CLOSING, OPENING, Splitter

MARKUP = st.lists(
    st.one_of(
        st.sampled_from([*OPENING, *CLOSING, "<", "</", "<think", "think>", " ", "\n", "\n\n"]), st.text(max_size=5)
    )
).map("".join)


def split(*pieces: str, within: bool = False) -> tuple[str, str]:
    """What is thought and what is said in a text that comes in these pieces."""
    splitter, channels = Splitter(within=within), {"thinking": "", "text": ""}
    for piece in pieces:
        for channel, part in splitter.feed(piece):
            assert part
            channels[channel] += part
    for channel, part in splitter.end():
        channels[channel] += part
    return channels["thinking"], channels["text"]


@pytest.mark.parametrize(
    ("written", "thought", "said"),
    [
        ("<think>Two and two.</think>Four.", "Two and two.", "Four."),
        ("\n<think>\nTwo.\n</think>\n\nFour.\n", "Two.\n", "Four.\n"),
        ("<thinking>Two.</thinking> Four.", "Two.", "Four."),
        ("<think></think>Four.", "", "Four."),
        ("Four.", "", "Four."),
        ("  Four.", "", "Four."),
        ("The tag <think> is text</think> here.", "", "The tag <think> is text</think> here."),
        ("<think>It never ends", "It never ends", ""),
        ("<think>a < b </thin", "a < b </thin", ""),
        ("<thin", "", "<thin"),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
        ("", "", ""),
    ],
)
def test_tags_at_the_beginning_tell_thoughts_from_text(written: str, thought: str, said: str) -> None:
    """What stands in tags at the very beginning is thought, all else is said."""
    assert split(written) == (thought, said)


@pytest.mark.parametrize(
    ("written", "thought", "said"),
    [
        ("Two.</think>Four.", "Two.", "Four."),
        ("<think>Two.</think>Four.", "Two.", "Four."),
        ("Two and two", "Two and two", ""),
        ("a </thi b", "a </thi b", ""),
    ],
)
def test_a_text_may_begin_within_the_tag(written: str, thought: str, said: str) -> None:
    """Where a template has written the opening tag, the closing one is enough."""
    assert split(written, within=True) == (thought, said)


@given(MARKUP, st.lists(st.integers(0, 60)), st.booleans())
@example("<think>a</think>b", list(range(17)), False)
def test_pieces_make_no_difference(written: str, cuts: list[int], within: bool) -> None:
    """However a text is cut, both channels get the same."""
    edges = sorted({0, len(written), *(cut for cut in cuts if cut < len(written))})
    pieces = [written[start:end] for start, end in pairwise(edges)]
    assert split(*pieces, within=within) == split(written, within=within) == split(*written, within=within)


@given(MARKUP.filter(lambda written: not written.lstrip().startswith(OPENING)))
def test_text_without_a_tag_at_its_beginning_is_all_said(written: str) -> None:
    """Nothing is taken for thought, and nothing but the blanks at the beginning is left out."""
    assert split(*written) == ("", written.lstrip())


def test_thoughts_come_as_they_are_written() -> None:
    """Nothing is held back but what may be the beginning of a tag."""
    splitter = Splitter()
    assert list(splitter.feed("<think>Two")) == [("thinking", "Two")]
    assert list(splitter.feed(" and <")) == [("thinking", " and ")]
    assert list(splitter.feed("b")) == [("thinking", "<b")]
    assert not splitter.closed
    assert list(splitter.feed("</think> Fo")) == [("text", "Fo")]
    assert splitter.closed
    assert list(splitter.feed("ur <")) == [("text", "ur <")]
