"""The incremental parser: odd streams one by one, any stream in any pieces, the limit, and two independent readers.

Many of the odd streams follow the format tests of web-platform-tests (https://github.com/web-platform-tests/wpt,
folder eventsource), which browsers are tested with.
"""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streaming.errors import EventTooLarge
from streaming.protocol.events import make_event
from streaming.protocol.sse import HEARTBEAT, MAX_RETRY_DIGITS, Message, Parser, comment, encode
from tests.eventsource import Peer, PeerMessage


def m(data: str, id: str = "", event: str = "message", retry: int | None = None) -> Message:
    """A message, with the usual values by default."""
    return Message(id, event, data, retry)


class Case(NamedTuple):
    """A stream, its messages, and the last event id and reconnection time after it."""

    stream: bytes
    messages: list[Message]
    last_event_id: str = ""
    retry: int | None = None


CASES = {
    "nothing at all": Case(b"", []),
    "one event": Case(b"data: x\n\n", [m("x")]),
    "all fields": Case(b"id: 7\nevent: tick\nretry: 20\ndata: x\n\n", [m("x", "7", "tick", 20)], "7", 20),
    # Line ends
    "LF": Case(b"data: 1\n\ndata: 2\n\n", [m("1"), m("2")]),
    "CR": Case(b"data: 1\r\rdata: 2\r\r", [m("1"), m("2")]),
    "CRLF": Case(b"data: 1\r\n\r\ndata: 2\r\n\r\n", [m("1"), m("2")]),
    "line ends mixed within an event": Case(b"data: 1\r\ndata: 2\rdata: 3\ndata: 4\r\r\n", [m("1\n2\n3\n4")]),
    "LF then CR are two ends": Case(b"data: 1\n\rdata: 2\n\r", [m("1"), m("2")]),
    "CR CRLF is a line end and a blank line": Case(b"data: 1\r\r\ndata: 2\r\r\n", [m("1"), m("2")]),
    "a CR at the very end of the stream ends its line": Case(b"data: 1\r\r", [m("1")]),
    "blank lines without an event": Case(b"\n\r\n\r\n\n\ndata: 1\n\n\n\n", [m("1")]),
    "other line separators of Unicode end no line": Case(
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1eh\n\n".encode(),
        [m("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1eh")],
    ),
    # The end of the stream
    "a missing final blank line": Case(b"data: 1\n\ndata: 2\n", [m("1")]),
    "a missing final line end": Case(b"data: 1\n\ndata: 2", [m("1")]),
    "an id whose event never ended does not count": Case(b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n", [m("1", "1")], "1"),
    "retry counts as soon as its line has ended": Case(b"retry: 5\n", [], "", 5),
    # Byte order mark
    "a BOM is skipped": Case(b"\xef\xbb\xbfdata: 1\n\n", [m("1")]),
    "a BOM is skipped once": Case(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n", [m("2")]),
    "a BOM later on is part of a name": Case(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [m("1")]),
    "a BOM in a value is kept": Case(b"data:\xef\xbb\xbf1\n\n", [m("\ufeff1")]),
    "a BOM ahead of a comment": Case(b"\xef\xbb\xbf: hello\ndata: 1\n\n", [m("1")]),
    "a BOM and nothing else": Case(b"\xef\xbb\xbf", []),
    "a BOM on a line of its own": Case(b"\xef\xbb\xbf\ndata: 1\n\n", [m("1")]),
    "half a BOM is part of a name": Case(b"\xef\xbbdata: 1\ndata: 2\n\n", [m("2")]),
    "half a BOM and a line end": Case(b"\xef\r\ndata: 2\n\n", [m("2")]),
    # Data
    "data over several lines": Case(b"data: 1\ndata: 2\ndata: 3\n\n", [m("1\n2\n3")]),
    "data of one empty line": Case(b"data:\n\n", [m("")]),
    "data without a colon": Case(b"data\n\n", [m("")]),
    "data of two empty lines": Case(b"data\ndata:\n\n", [m("\n")]),
    "data of a space alone": Case(b"data: \n\n", [m("")]),
    "data that ends in empty lines": Case(b"data: 1\ndata\ndata:\n\n", [m("1\n\n")]),
    "one leading space is taken away": Case(b"data:1\ndata: 2\ndata:  3\n\n", [m("1\n2\n 3")]),
    "a leading tab is kept": Case(b"data:\t1\n\n", [m("\t1")]),
    "trailing spaces are kept": Case(b"data: 1 \n\n", [m("1 ")]),
    "colons in the value": Case(b"data: a:b: c\ndata::\n\n", [m("a:b: c\n:")]),
    "NUL in data": Case(b"data: \0\n\n", [m("\0")]),
    # Names of fields
    "names are compared with their case": Case(b"Data: 1\nDATA: 2\ndata: 3\n\n", [m("3")]),
    "names are compared whole": Case(b"dat: 1\ndatas: 2\nda-ta: 3\ndata\0: 4\n\0data: 5\ndata: 6\n\n", [m("6")]),
    "a space ahead of a name": Case(b" data: 1\ndata: 2\n\n", [m("2")]),
    "a space behind a name": Case(b"data : 1\ndata: 2\n\n", [m("2")]),
    "unknown fields": Case(b"foo: 1\nbar\ndata: 2\nlast-event-id: 3\n\n", [m("2")]),
    # Comments
    "a comment": Case(b": hello\n\n", []),
    "a comment within an event": Case(b"data: 1\n: hello\ndata: 2\n:\n:data: 3\n\n", [m("1\n2")]),
    "a comment with NUL": Case(b":\0\ndata: 1\n\n", [m("1")]),
    "a heartbeat between events": Case(b"data: 1\n\n" + HEARTBEAT + b"data: 2\n\n", [m("1"), m("2")]),
    # event
    "a name without data gives nothing": Case(b"event: a\n\ndata: 1\n\n", [m("1")]),
    "a name holds for one event": Case(b"event: a\ndata: 1\n\ndata: 2\n\n", [m("1", event="a"), m("2")]),
    "the last name wins": Case(b"event: a\nevent: b\ndata: 1\n\n", [m("1", event="b")]),
    "an empty name is message": Case(b"event: a\nevent:\ndata: 1\n\nevent\ndata: 2\n\n", [m("1"), m("2")]),
    "a name behind the data": Case(b"data: 1\nevent: a\n\n", [m("1", event="a")]),
    "a name with spaces and NUL": Case(b"event:  a \0\ndata: 1\n\n", [m("1", event=" a \0")]),
    # id
    "an id stays": Case(b"id: 1\ndata: a\n\ndata: b\n\n", [m("a", "1"), m("b", "1")], "1"),
    "an empty id takes the id away": Case(b"id: 1\ndata: a\n\nid:\ndata: b\n\n", [m("a", "1"), m("b")]),
    "an id without a colon takes the id away": Case(b"id: 1\ndata: a\n\nid\ndata: b\n\n", [m("a", "1"), m("b")]),
    "an id of an event without data stays": Case(b"id: 1\n\ndata: a\n\n", [m("a", "1")], "1"),
    "an id counts once its event has ended, without data too": Case(b"id: 1\n\n", [], "1"),
    "an id with NUL is ignored": Case(b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", [m("a", "1"), m("b", "1")], "1"),
    "an id of NUL alone is ignored": Case(b"id: 1\nid: \0\ndata: a\n\n", [m("a", "1")], "1"),
    "the last id wins": Case(b"id: 1\nid: 2\ndata: a\n\n", [m("a", "2")], "2"),
    "an id behind the data": Case(b"data: a\nid: 1\n\n", [m("a", "1")], "1"),
    "an id beyond ASCII": Case("id: …\ndata: a\n\n".encode(), [m("a", "…")], "…"),
    # retry
    "retry": Case(b"retry: 3000\n\ndata: 1\n\n", [m("1", retry=3000)], "", 3000),
    "retry stays until it is set again": Case(
        b"data: 0\n\nretry: 1\ndata: 1\n\ndata: 2\n\nretry:2\ndata: 3\n\n",
        [m("0"), m("1", retry=1), m("2", retry=1), m("3", retry=2)],
        "",
        2,
    ),
    "retry with leading zeros": Case(b"retry: 007\n", [], "", 7),
    "retry of zero": Case(b"retry: 0\n", [], "", 0),
    "bogus retries": Case(
        b"retry: 5\nretry: 10x\nretry:  6\nretry: 7 \nretry: -8\nretry: +9\nretry: 1.5\nretry: 1e3\nretry: 1_0\n"
        b"retry: 0x1\nretry:\nretry\nretry: \0\n",
        [],
        "",
        5,
    ),
    "retry in digits that are not ASCII": Case("retry: ١٢\nretry: ２\nretry: ²\n".encode(), []),
    "retry beyond 64 bits": Case(b"retry: 123456789012345678901234567890\n", [], "", 123456789012345678901234567890),
    "retry that no timer could hold": Case(b"retry: 5\nretry: " + b"9" * (MAX_RETRY_DIGITS + 1) + b"\n", [], "", 5),
    "retry beyond the digits that Python reads": Case(b"retry: " + b"9" * 5000 + b"\n", []),
    # UTF-8
    "characters of two, three and four bytes": Case("data: ok…é😀\n\n".encode(), [m("ok…é😀")]),
    "a byte that is no UTF-8": Case(b"data: a\xffb\n\n", [m("a\ufffdb")]),
    "a character that its line cuts short": Case(b"data: \xf0\x9f\x98\ndata: \xe2\x82\n\n", [m("\ufffd\n\ufffd")]),
    "a character that a space cuts short": Case(b"data: \xe2 \x82\n\n", [m("\ufffd \ufffd")]),
    "a surrogate in UTF-8": Case(b"data: \xed\xa0\x80\n\n", [m("\ufffd\ufffd\ufffd")]),
    "an overlong NUL is no NUL": Case(b"id: \xc0\x80\ndata: a\n\n", [m("a", "\ufffd\ufffd")], "\ufffd\ufffd"),
    "broken UTF-8 in a name and in an id": Case(
        b"id: \x80\nevent: \xf5\ndata: a\n\n", [m("a", "\ufffd", "\ufffd")], "\ufffd"
    ),
}
CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def check(case: Case, *chunks: bytes) -> None:
    """Feeds `chunks`, and compares everything that a reader can see."""
    parser = Parser()
    assert [message for chunk in chunks for message in parser.feed(chunk)] == case.messages
    assert (parser.last_event_id, parser.retry) == (case.last_event_id, case.retry)


def single_bytes(stream: bytes) -> list[bytes]:
    """The bytes of `stream`, one by one."""
    return [stream[at : at + 1] for at in range(len(stream))]


@CASE
def test_an_odd_stream_fed_whole(case: Case) -> None:
    """An odd stream gives the messages of the standard."""
    check(case, case.stream)


@CASE
def test_an_odd_stream_fed_byte_by_byte(case: Case) -> None:
    """An odd stream gives the same messages when every byte comes alone."""
    check(case, *single_bytes(case.stream))


@CASE
def test_an_odd_stream_cut_in_two(case: Case) -> None:
    """An odd stream gives the same messages wherever it is cut, with an empty chunk at the cut."""
    for at in range(len(case.stream) + 1):
        check(case, case.stream[:at], b"", case.stream[at:])


@CASE
def test_an_odd_stream_agrees_with_the_transcribed_standard(case: Case) -> None:
    """The transcript of the standard that other tests compare with gives the expected messages itself."""
    assert by_the_standard(case.stream) == case.messages


def test_a_message_comes_with_the_byte_that_completes_it() -> None:
    """No event waits for the bytes after it, not even where the CR of its blank line could be half of a CRLF."""
    parser = Parser()
    assert parser.feed(b"data: 1\r") == []
    assert parser.feed(b"\r") == [m("1")]
    assert parser.feed(b"\n") == []
    assert parser.feed(b"data: 2\n\n") == [m("2")]


def test_comments_are_passed_on() -> None:
    """`on_comment` gets the text of each comment line, without the colon and one space."""
    texts: list[str] = []
    parser = Parser(on_comment=texts.append)
    parser.feed(HEARTBEAT + b":\n:a\xff\r:  b: c\ndata: 1\n::\n\nnone: 2\n\xef\xbb\xbf:3\n")
    assert texts == ["keep-alive", "", "a\ufffd", " b: c", ":"]


def test_text_is_not_bytes() -> None:
    """A chunk of text is refused: only bytes can have been cut anywhere."""
    with pytest.raises(TypeError):
        Parser().feed("data: 1\n\n")  # type: ignore[arg-type]


# Any stream in any pieces

PIECES = [
    *(b"data", b"event", b"id", b"retry", b":", b" ", b"10", b"x", b"\0", b"\n", b"\n", b"\r", b"\r\n", b"\r\r"),
    *(
        b"\xef\xbb\xbf",
        b"\xef",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\xf0\x9f\x98\x80",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\xff",
    ),
]
LINES = [
    *(b"data: 1\n", b"data:2\r", b"data\r\n", b"data: \xf0\x9f\n", b"data: \xe2\x80\xa8\xff\r\n"),
    *(b"id: 3\n", b"id\r", b"event: e\r\n", b": note\r", b"retry: 4\n"),
    *(b"\n", b"\r", b"\r\n", b"\n", b"\r"),
]


EVENTS_OF_A_CHUNK = [
    *(
        b"data: a\n\n",
        b"data: \xff\n\n",
        b"data: \n\n",
        b"data: a\n",
        b"data: a\r\n\r\n",
        b"data: a\r\n\n",
        b"data: \n",
    ),
    *(b"id: 1\ndata: a\n\n", b"id: 2\n", b"event: x\n", b"retry: 5\n\n", b": c\n\n", b"data: a\n\ndata: b\n\n", b"\r"),
    *(b"\n", b"data", b"data:", b"data:a\n\n", b"data: a\r\n", b"data: a\r\r", b"data: a\r\n\r", b"\xef\xbb\xbf"),
]
"""Chunks that are one event, and others beside them."""


def streams() -> st.SearchStrategy[bytes]:
    """Streams of lines that a parser knows, with some noise."""
    lines = st.sampled_from(LINES)
    return st.lists(lines | lines | st.sampled_from(PIECES), min_size=10, max_size=40).map(b"".join)


@st.composite
def pieces(draw: st.DrawFn, of: st.SearchStrategy[bytes]) -> list[bytes]:
    """One of the given streams, cut anywhere, also into empty chunks."""
    stream = draw(of)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def feed(parser: Parser, chunks: list[bytes]) -> list[Message]:
    """The messages of all `chunks`."""
    return [message for chunk in chunks for message in parser.feed(chunk)]


def by_the_standard(stream: bytes) -> list[Message]:
    """Sections 9.2.5 and 9.2.6 of the HTML standard, transcribed step by step for a complete stream."""
    messages: list[Message] = []
    data_buffer = event_type_buffer = last_event_id_buffer = last_event_id = ""
    reconnection_time: int | None = None
    *lines, _unfinished = re.split("\r\n|\r|\n", stream.decode("utf-8-sig", "replace"))
    for line in lines:
        if line == "":
            last_event_id = last_event_id_buffer
            if data_buffer != "":
                name = event_type_buffer or "message"
                messages.append(Message(last_event_id, name, data_buffer.removesuffix("\n"), reconnection_time))
            data_buffer = event_type_buffer = ""
            continue
        if line.startswith(":"):
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event_type_buffer = value
        elif field == "data":
            data_buffer += value + "\n"
        elif field == "id" and "\0" not in value:
            last_event_id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]{1,300}", value):
            reconnection_time = int(value)
    return messages


@given(st.lists(st.sampled_from(EVENTS_OF_A_CHUNK), min_size=2))
def test_an_event_a_chunk(chunks: list[bytes]) -> None:
    """As paced streams come: whatever was before, and whatever an event looks like."""
    assert feed(Parser(), chunks) == by_the_standard(b"".join(chunks))
    # An id of its own comes from the same chunk here, or from one before that has not ended its event.
    merged = feed(Parser(own_ids=True), [b"".join(chunks)])
    assert feed(Parser(own_ids=True), chunks) == merged


@given(pieces(streams()))
def test_any_stream_in_any_pieces(chunks: list[bytes]) -> None:
    """In any pieces a stream has the messages that the standard's steps give for the whole of it."""
    stream = b"".join(chunks)
    assert feed(Parser(), chunks) == by_the_standard(stream)
    assert feed(Parser(), single_bytes(stream)) == by_the_standard(stream)


@given(pieces(st.binary(max_size=200)))
def test_any_bytes(chunks: list[bytes]) -> None:
    """The parser raises for no bytes whatever."""
    assert feed(Parser(), chunks) == by_the_standard(b"".join(chunks))


# The limit


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (b"x" * 50, b"x" * 51),  # a line that goes on
        (b"data: " + b"x" * 44 + b"\n\n", b"data: " + b"x" * 45 + b"\n\n"),
        (b"data: 12345\n" * 7 + b"\n", b"data: 12345\n" * 8 + b"\n"),  # 6 bytes each are kept, and 11 arrive
        (b"data\n" * 47, b"data\n" * 48),  # each keeps its LF
        (b"event: " + b"x" * 40 + b"\ndata: 6789", b"event: " + b"x" * 40 + b"\ndata: 67890"),
        (b"event: " + b"x" * 40 + b"\nevent\n" + b"x" * 50, b"event: " + b"x" * 40 + b"\nevent: x\n" + b"x" * 50),
        ((b": " + b"x" * 48 + b"\n") * 9, b": " + b"x" * 49 + b"\n"),  # comments are not kept
        ((b"id: " + b"x" * 46 + b"\n") * 9, b"id: " + b"x" * 47 + b"\n"),
        (b"data: 1\n\n" * 99, b"data: 1\n\n" * 99 + b"x" * 51),  # each event may use all of it
        (b"\xef\xbb\xbf" + b"x" * 50, b"\xef\xbb\xbf" + b"x" * 51),  # a BOM does not count
    ],
)
def test_the_limit_is_exact(within: bytes, beyond: bytes) -> None:
    """An event of `max_bytes` is read, one more byte is too large, whole or byte by byte."""
    for chunks in ([within], single_bytes(within)):
        feed(Parser(max_bytes=50), chunks)
    for chunks in ([beyond], single_bytes(beyond)):
        with pytest.raises(EventTooLarge, match="more than 50 bytes"):
            feed(Parser(max_bytes=50), chunks)


@given(pieces(streams()), st.integers(1, 40))
def test_the_limit_does_not_depend_on_the_pieces(chunks: list[bytes], max_bytes: int) -> None:
    """In any pieces a stream is refused after the same messages."""

    def outcome(chunks: list[bytes]) -> tuple[list[Message], bool]:
        parser = Parser(max_bytes=max_bytes)
        messages: list[Message] = []
        try:
            for chunk in chunks:
                messages += parser.feed(chunk)
        except EventTooLarge:
            return messages + parser.completed, True
        return messages, False

    stream = b"".join(chunks)
    assert outcome(chunks) == outcome([stream]) == outcome(single_bytes(stream))


def test_beyond_the_limit() -> None:
    """Messages before the large event are not lost, and the parser reads no more."""
    parser = Parser(max_bytes=20)
    with pytest.raises(EventTooLarge):
        parser.feed(b"id: 1\ndata: 1\n\nid: 2\ndata: " + b"x" * 20 + b"\n\ndata: 3\n\n")
    assert parser.completed == [m("1", "1")]
    assert parser.last_event_id == "1"
    for chunk in (b"", b"\n\ndata: 4\n\n"):
        with pytest.raises(EventTooLarge):
            parser.feed(chunk)
    assert parser.completed == [m("1", "1")]


def test_a_limit_of_zero_is_refused() -> None:
    """A parser needs room for one byte at least."""
    with pytest.raises(ValueError, match="max_bytes is one or more"):
        Parser(max_bytes=0)


@pytest.mark.parametrize(
    "line", [b"data\n", b"data: x\n", b"data: xy\n", b"event: " + b"x" * 500 + b"\n", b":\n", b"x"]
)
def test_the_limit_holds_in_memory(line: bytes) -> None:
    """An event that never ends costs a small multiple of `max_bytes`, however small its lines are."""
    parser = Parser(max_bytes=200_000)
    chunk = line * (4096 // len(line))
    tracemalloc.start()
    try:
        for _ in range(400_000 // len(chunk)):
            parser.feed(chunk)
    except EventTooLarge:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 800_000


def test_a_huge_line_costs_linear_time() -> None:
    """A line of 32 MB in small chunks takes a moment; reading it again with each chunk would take minutes."""
    start = time.perf_counter()
    parser = Parser(max_bytes=64 * 1024 * 1024)
    parser.feed(b"data: ")
    for _ in range(8192):
        parser.feed(b"x" * 4096)
    (message,) = parser.feed(b"\n\n")
    assert len(message.data) == 8192 * 4096
    assert time.perf_counter() - start < 10


# An independent reader


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """eventsource-parser, in one process for all streams."""
    with Peer() as running:
        yield running


def blocks() -> st.SearchStrategy[bytes]:
    """Streams in which every event with an id has data."""
    value = st.sampled_from(
        [b"", b"x", b" x", b":", b"\0", b"\xff", b"\xf0\x9f", "é…😀".encode(), "\u2028\u0085".encode()]
    )
    field = st.sampled_from([b"event", b"id", b"data", b"retry", b"", b"other", b"\xef\xbb\xbf"])
    line = st.builds(b"".join, st.tuples(field, st.sampled_from([b":", b": "]), value))
    end = st.sampled_from([b"\n", b"\r", b"\r\n"])
    lines = st.lists(st.builds(bytes.__add__, line, end), max_size=5).map(b"".join)
    block = st.builds(b"%bdata%b%b%b\n\n".__mod__, st.tuples(lines, value.map(b": ".__add__), end, lines))
    return st.builds(
        b"".join, st.tuples(st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(block, max_size=5).map(b"".join))
    )


def with_ids_that_stay(messages: list[PeerMessage]) -> list[Message]:
    """The peer's messages with the last event id, which it leaves its users to keep."""
    last_event_id, completed = "", []
    for message in messages:
        last_event_id = last_event_id if message.id is None else message.id
        completed.append(Message(last_event_id, *message[1:]))
    return completed


@given(pieces(blocks()))
def test_agreement_with_the_peer_on_events(peer: Peer, chunks: list[bytes]) -> None:
    """An independent parser gives the same messages, last event ids included."""
    assert feed(Parser(), chunks) == with_ids_that_stay(peer.messages(chunks))


@given(pieces(streams() | st.binary(max_size=100)))
def test_agreement_with_the_peer_on_any_stream(peer: Peer, chunks: list[bytes]) -> None:
    """An independent parser gives the same messages for noise; the tests below show why some of it is left out."""
    stream = b"".join(chunks)
    assume(not stream.startswith(MOCK_BOM) and not stream.startswith(b"\xef\xbb\xbf" + MOCK_BOM))
    chunks = [*chunks, b"\n"]  # with which the peer takes a final CR for a line end
    for ours, theirs in zip(feed(Parser(), chunks), peer.messages(chunks), strict=True):
        assert (ours.event, ours.data) == (theirs.event, theirs.data)
        assert theirs.id in (None, ours.id)
        assert as_javascript(ours.retry) == theirs.retry


@given(
    st.lists(
        st.tuples(st.text(min_size=1), st.text(), st.text()).filter(
            lambda event: not set("\r\n\0") & set("".join(event))
        )
    ),
)
def test_the_peer_reads_what_we_encode(peer: Peer, events: list[tuple[str, str, str]]) -> None:
    """An independent parser reads what we encode, between comments."""
    chunks = [comment("note") + encode(make_event(name, text), id=number) for name, number, text in events]
    assert peer.messages(chunks) == [PeerMessage(number, name, text, None) for name, number, text in events]


# Where the peer differs from the standard, we follow the standard. In the order of its text:

MOCK_BOM = "\u00ef\u00bb\u00bf".encode()
"""The three characters of a BOM that is read as Latin-1; in UTF-8 they are six bytes, and not a BOM."""


def as_javascript(number: int | None) -> float | None:
    """A number as JavaScript keeps it."""
    return None if number is None else float(number)


def test_the_peer_takes_three_characters_for_a_bom(peer: Peer) -> None:
    """The peer looks for the bytes of a BOM as characters; by section 9.2.5 only a real one is removed."""
    stream = MOCK_BOM + b"data: 1\ndata: 2\n\n"
    assert peer.messages([stream]) == [PeerMessage(None, "message", "1\n2", None)]
    assert Parser().feed(stream) == by_the_standard(stream) == [m("2")]


def test_the_peer_waits_behind_a_final_cr(peer: Peer) -> None:
    """The peer holds back a CR at the end of a chunk, in case LF follows; by section 9.2.5 the line has ended."""
    stream = b"data: 1\r\r"
    assert peer.messages([stream]) == []
    assert Parser().feed(stream) == by_the_standard(stream) == [m("1")]


def test_the_peer_loses_the_id_of_an_event_without_data(peer: Peer) -> None:
    """The peer ignores the id of an event without data; by section 9.2.6 it is set before the data is looked at."""
    stream = b"id: 1\n\ndata: 1\n\n"
    assert peer.messages([stream]) == [PeerMessage(None, "message", "1", None)]
    assert Parser().feed(stream) == by_the_standard(stream) == [m("1", "1")]


def test_the_peer_rounds_a_large_retry(peer: Peer) -> None:
    """The peer's reconnection time is a double; by section 9.2.6 it is the integer of the digits."""
    stream = b"retry: 9007199254740993\ndata: 1\n\n"
    assert peer.messages([stream]) == [PeerMessage(None, "message", "1", 9007199254740992)]
    assert Parser().feed(stream) == by_the_standard(stream) == [m("1", retry=9007199254740993)]
