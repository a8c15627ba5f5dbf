"""The input as the snapshot shows it: no secret, no file, and no more than a bound."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from streaming import Operation, Upload, operation
from streaming.runs.shown import MASK, SHOWN_BYTES, shown_input


class Login(BaseModel):
    """Names and declarations that say what a secret is."""

    user: str = "ann"
    password: str = "s3cret"
    api_key: str | None = "s3cret"
    none: SecretStr | None = None
    pin: SecretStr = SecretStr("s3cret")
    code: Annotated[str, Field(json_schema_extra={"writeOnly": True})] = "s3cret"
    max_tokens: int = 5
    token_count: int = 7
    headers: dict[str, str] = {"Authorization": "s3cret", "accept": "text/html", "x-api-key": "s3cret"}
    accounts: list[dict[str, Any]] = [{"name": "bob", "clientSecret": "s3cret"}]
    url: str = "see https://ann:s3cret@example.org/x?page=1&X-Amz-Signature=s3cret&token=s3cret#top"


class Files(BaseModel):
    """Uploads, one of them with another name for clients."""

    model_config = ConfigDict(populate_by_name=True)

    document: Upload
    more: list[Upload] = Field([], alias="others")
    none: Upload | None = None
    prompt: str = ""


class Anything(BaseModel):
    """An input that JSON may not hold."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")

    value: object = None


@operation
def login(input: Login) -> None:
    """Does nothing."""


@operation
def read(input: Files) -> None:
    """Does nothing."""


@operation
def take(input: Anything) -> None:
    """Does nothing."""


def shown(of: Operation, checked: BaseModel) -> Any:
    """What is shown, decoded."""
    body = shown_input(of, checked)
    assert body is not None
    assert len(body) <= SHOWN_BYTES
    return json.loads(body)


def test_secrets_are_masked() -> None:
    """By their type, their declaration, their name, and within URLs."""
    found = shown(login, Login())
    assert "s3cret" not in json.dumps(found)
    assert found == {
        "user": "ann",
        "password": MASK,
        "api_key": MASK,
        "none": None,
        "pin": MASK,
        "code": MASK,
        "max_tokens": 5,
        "token_count": 7,
        "headers": {"Authorization": MASK, "accept": "text/html", "x-api-key": MASK},
        "accounts": [{"name": "bob", "clientSecret": MASK}],
        "url": f"see https://ann:{MASK}@example.org/x?page=1&X-Amz-Signature={MASK}&token={MASK}#top",
    }


def test_uploads_are_names_and_sizes() -> None:
    """Neither their contents nor where they lie."""
    upload = Upload(Path("/tmp/headway-uploads-x/0"), "a.pdf", "application/pdf", 12)
    found = shown(read, Files(document=upload, more=[upload], prompt="What is it?"))
    assert found == {
        "document": {"name": "a.pdf", "size": 12},
        "others": [{"name": "a.pdf", "size": 12}],
        "none": None,
        "prompt": "What is it?",
    }


def test_what_is_over_the_bound_is_left_out() -> None:
    """The largest fields go first, and each says how many bytes it has; the others stay."""
    found = shown(take, Anything.model_validate({"value": "x" * 20_000, "small": "y" * 5_000, "page": 1}))
    assert found == {"value": {"omitted": 20_002}, "small": "y" * 5_000, "page": 1}
    many = Anything.model_validate({f"field{number}": number for number in range(5_000)})
    assert shown(take, many) == {"omitted": len(many.model_dump_json())}


def test_what_json_cannot_hold() -> None:
    """It is not shown, and starts all the same."""
    assert shown_input(take, Anything(value=object())) is None
    assert shown_input(take, Anything(value="\ud800")) is None


def test_what_is_kept_of_an_input_takes_little_more_than_its_bytes() -> None:
    """Each of the bytes that orjson returns holds four kilobytes, however few they are."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [shown_input(take, Anything(value=number)) for number in range(1000)]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept[-1] == b'{"value":999}'
    assert grown < 1000 * 1000
