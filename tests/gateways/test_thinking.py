"""Tags around thinking, in a text that is cut into pieces anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming.gateways.thinking import CLOSING, HARMONY, HARMONY_CLOSING, OPENING, ThinkingSplitter

MARKUP = st.lists(
    st.one_of(
        st.sampled_from([*OPENING, *CLOSING, *HARMONY, *HARMONY_CLOSING]),
        st.sampled_from(["<", "</", "<think", "think>", " ", "\n", "\n\n"]),
        st.text(max_size=5),
    )
).map("".join)


def split(*pieces: str, inside: bool = False) -> tuple[str, str]:
    """The thoughts and the answer in a text that arrives in these pieces."""
    splitter, channels = ThinkingSplitter(inside=inside), {"thinking": "", "text": ""}
    for piece in pieces:
        for channel, part in splitter.feed(piece):
            assert part
            channels[channel] += part
    for channel, part in splitter.end():
        channels[channel] += part
    return channels["thinking"], channels["text"]


@pytest.mark.parametrize(
    ("source", "thinking", "answer"),
    [
        ("<think>Two and two.</think>Four.", "Two and two.", "Four."),
        ("\n<think>\nTwo.\n</think>\n\nFour.\n", "Two.\n", "Four.\n"),
        ("<thinking>Two.</thinking> Four.", "Two.", "Four."),
        ("<think></think>Four.", "", "Four."),
        ("Four.", "", "Four."),
        ("  Four.", "", "  Four."),
        ("<thought>Two.</thought>Four.", "Two.", "Four."),
        ("<reasoning>\nTwo.</reasoning>\nFour.", "Two.", "Four."),
        ("[THINK]Two.[/THINK]Four.", "Two.", "Four."),
        ("[THINKING] is a word", "", "[THINKING] is a word"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),
        ("<|channel|>final<|message|>Four.<|return|>", "", "Four."),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>", "ab", ""),
        ("The tag <think> is text</think> here.", "", "The tag <think> is text</think> here."),
        ("<think>It never ends", "It never ends", ""),
        ("<think>a < b </thin", "a < b </thin", ""),
        ("<thin", "", "<thin"),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
        ("", "", ""),
    ],
)
def test_tags_at_the_beginning_enclose_the_thoughts(source: str, thinking: str, answer: str) -> None:
    """Text between tags at the very beginning is thinking, the rest is the answer."""
    assert split(source) == (thinking, answer)


@pytest.mark.parametrize(
    ("source", "thinking", "answer"),
    [
        ("Two.</think>Four.", "Two.", "Four."),
        ("<think>Two.</think>Four.", "Two.", "Four."),
        ("Two and two", "Two and two", ""),
        ("a </thi b", "a </thi b", ""),
    ],
)
def test_a_text_may_begin_within_the_tag(source: str, thinking: str, answer: str) -> None:
    """If a template contains the opening tag, the closing one is enough."""
    assert split(source, inside=True) == (thinking, answer)


@given(MARKUP, st.lists(st.integers(0, 60)), st.booleans())
@example("<think>a</think>b", list(range(17)), False)
def test_the_pieces_do_not_matter(source: str, cuts: list[int], inside: bool) -> None:
    """Both channels get the same text, however it is cut."""
    edges = sorted({0, len(source), *(cut for cut in cuts if cut < len(source))})
    pieces = [source[start:end] for start, end in pairwise(edges)]
    assert split(*pieces, inside=inside) == split(source, inside=inside) == split(*source, inside=inside)


@given(MARKUP.filter(lambda source: not source.lstrip().startswith((*OPENING, *HARMONY))))
def test_text_without_a_tag_at_its_beginning_is_the_answer(source: str) -> None:
    """Nothing is dropped."""
    assert split(*source) == ("", source)


def test_thoughts_are_not_delayed() -> None:
    """Only text that may be the beginning of a tag is kept."""
    splitter = ThinkingSplitter()
    assert list(splitter.feed("<think>Two")) == [("thinking", "Two")]
    assert list(splitter.feed(" and <")) == [("thinking", " and ")]
    assert list(splitter.feed("b")) == [("thinking", "<b")]
    assert not splitter.closed
    assert list(splitter.feed("</think> Fo")) == [("text", "Fo")]
    assert splitter.closed
    assert list(splitter.feed("ur <")) == [("text", "ur <")]
