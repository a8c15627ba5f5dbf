"""Prompts that a server has cut, by the tokens that it counts."""

from __future__ import annotations

import pytest

from operations.llm import Model, fill, user
from operations.llm.connection import client
from operations.llm.tokens import least_tokens, was_cut
from streaming import OperationError
from tests.apps.llm_fake import Reply, fake_model, finish, outcome, text

ENGLISH = "The quick brown fox, as they say, jumped over 12 lazy dogs. " * 100
CHINESE = (
    "\u5317\u4eac\u4e91\u6d77\u79d1\u6280\u6709\u9650\u516c\u53f8\u4e8e2026\u5e743\u670812\u65e5\u7b7e\u7f72\u3002"
    * 100
)


@pytest.mark.parametrize(
    ("words", "tokens"),
    [(ENGLISH, 1600), (ENGLISH, 1500), (CHINESE, 1500), ("invoice " * 500, 501), ("x = 1;\n" * 200, 700)],
)
def test_a_prompt_that_was_read_is_not_cut(words: str, tokens: int) -> None:
    """By the counts of usual tokenizers (o200k, Qwen, Llama); a server that counts none has cut none."""
    assert not was_cut([user(words)], tokens)
    assert not was_cut([user(words)], None)
    assert not was_cut([user(words)], 0)


@pytest.mark.parametrize(("words", "tokens"), [(ENGLISH, 1024), (CHINESE, 512), ("invoice " * 3000, 2048)])
def test_a_prompt_that_was_cut(words: str, tokens: int) -> None:
    """It has more words than the server has tokens."""
    assert was_cut([user(words)], tokens)


def test_a_short_prompt_is_never_cut() -> None:
    """No server has so small a context; a made-up count is none."""
    assert not was_cut([user("Is it?")], 1)
    assert least_tokens("Is it?") == 3


def test_the_answer_to_a_prompt_that_was_cut_does_not_count() -> None:
    """It may be to another question: its error is that of a context that is too small."""
    with fake_model(Reply(text("{}"), finish(prompt=512))) as fake, pytest.raises(OperationError) as failure:
        outcome(fill(Model("fake-1", client(fake.url, "key-1", 10.0, loopback=True)), [user(ENGLISH)], {}))
    assert failure.value.code == "model_context_too_small"
