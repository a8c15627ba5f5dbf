"""The input of a run as a request carries it: JSON or a form, checked by the operation's pydantic model."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import BadRequest, BodyConsumed, FieldError, InvalidInput, TooLarge, UnsupportedMedia
from ..runs.operation import Operation
from ..runs.upload import Upload

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

EMPTY_FORM = 8
"""Bytes of a multipart form without a part, besides its boundary (RFC 2046, section 5.1.1)."""


class RunInput:
    """A checked input, the digest of its body, and the folder of its files."""

    def __init__(self, value: BaseModel, digest: str, folder: Path | None) -> None:
        self.value = value
        self.digest = digest
        self._folder = folder

    def discard(self) -> None:
        """Deletes the files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def limit_body(request: Request, max_body: int) -> None:
    """Limits what anybody reads of the body, before the functions of the application do."""
    # One byte more: werkzeug silently cuts a body without a length at the limit.
    request.max_content_length = max_body + 1
    request.max_form_memory_size = max_body  # werkzeug's own limit on a form without its files is half a megabyte


def read_input(request: Request, operation: Operation, max_body: int) -> RunInput:
    """The input of `operation` in `request`, of at most `max_body` bytes.

    Raises `BadRequest`, `TooLarge`, `UnsupportedMedia`, `InvalidInput` and `BodyConsumed`.
    """
    if request.mimetype not in FORMS:
        return _from_json(request, operation, read_body(request, max_body))
    if "form" not in request.__dict__:
        _check_unread(request)
    with _limited(max_body):
        fields, files = request.form, request.files
    size = _position(request)
    _check_size(request, size, max_body)
    if not fields and not files and size and size > len(request.mimetype_params.get("boundary", "")) + EMPTY_FORM:
        raise BadRequest("no field of this form can be read", code="invalid_form")  # werkzeug says nothing
    return _from_form(fields, files, operation)


def read_body(request: Request, max_body: int) -> bytes:
    """The body of `request`, of at most `max_body` bytes, also where the application has read and cached it.

    Raises `BadRequest`, `TooLarge`, `UnsupportedMedia` and `BodyConsumed`.
    """
    if request.mimetype in FORMS and request.__dict__.get("form"):
        raise UnsupportedMedia("the application reads this body as a form: send application/json")
    _check_unread(request)
    with _limited(max_body):
        body = request.get_data(cache=False)
    _check_size(request, len(body), max_body)
    return body


def unread_body(request: Request) -> Any:
    """The body of `request` as a file, also where the application has read and cached it. Raises `BodyConsumed`."""
    _check_unread(request)
    return request.stream if _cached(request) is None else io.BytesIO(request.get_data())


def _cached(request: Request) -> bytes | None:
    """What `get_data` or `get_json` have kept of the body; empty for a form that `data` has parsed."""
    return getattr(request, "_cached_data", None)


def _position(request: Request) -> int | None:
    """How much of the body has been read; `None` for a server's own stream, which does not tell."""
    tell = getattr(request.stream, "tell", None)
    try:
        return None if tell is None else tell()
    except OSError:  # that of a body in chunks under `flask run`
        return None


def _check_unread(request: Request) -> None:
    if _cached(request) is None and _position(request):
        raise BodyConsumed


def _check_size(request: Request, size: int | None, max_body: int) -> None:
    """Refuses a body that is too large, or of which a part is missing: half an input must not look whole."""
    length = request.content_length
    if max(size or 0, length or 0) > max_body:
        raise _too_large(max_body)
    announced = length or int(bool(request.mimetype and "Transfer-Encoding" in request.headers))
    if size is not None and size < announced:
        raise BadRequest("the body broke off, or the application had read it before", code="incomplete_body")


@contextlib.contextmanager
def _limited(max_body: int) -> Iterator[None]:
    try:
        yield
    except RequestEntityTooLarge:
        raise _too_large(max_body) from None


def _too_large(max_body: int) -> TooLarge:
    return TooLarge(f"a request has at most {max_body} bytes")


def field_errors(error: ValidationError) -> list[FieldError]:
    """The errors that pydantic found, in the form of a problem document."""
    return [{"loc": list(details["loc"]), "msg": details["msg"]} for details in error.errors(include_url=False)]


def _from_json(request: Request, operation: Operation, body: bytes) -> RunInput:
    if body and not request.is_json:
        raise UnsupportedMedia("input is application/json, or multipart/form-data where it has a file")
    try:
        value = operation.input.model_validate_json(body or b"{}")
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise BadRequest("the body is not JSON", code="invalid_json", errors=field_errors(error)) from error
        raise _invalid(error) from error
    return RunInput(value, hashlib.sha256(operation.name.encode() + b"\0" + body).hexdigest(), None)


def _from_form(fields: MultiDict[str, str], files: MultiDict[str, FileStorage], operation: Operation) -> RunInput:
    digest = hashlib.sha256(operation.name.encode())
    for name, value in sorted(fields.items(multi=True)):
        digest.update(f"\0{name}\0{value}".encode(errors="surrogatepass"))
    data: dict[str, Any] = {
        name: fields.getlist(name) if _is_array(operation, name) else fields[name] for name in fields
    }
    folder = Path(tempfile.mkdtemp(prefix="headway-")) if files else None
    try:
        if folder is not None:
            _save_files(files.lists(), operation, folder, data, digest)
        return RunInput(operation.input.model_validate(data), digest.hexdigest(), folder)
    except BaseException as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, ValidationError):
            raise _invalid(error) from error
        raise


def _save_files(files: Any, operation: Operation, folder: Path, data: dict[str, Any], digest: Any) -> None:
    several = operation.file_fields()
    for name, entries in files:
        if name not in several:
            raise InvalidInput("the input has no such file", errors=[{"loc": [name], "msg": "takes no file"}])
        if len(entries) > 1 and not several[name]:
            raise InvalidInput("one file too many", errors=[{"loc": [name], "msg": "takes one file"}])
        uploads = [_spool(entry, folder, name, number, digest) for number, entry in enumerate(entries)]
        data[name] = uploads if several[name] else uploads[0]


def _spool(entry: FileStorage, folder: Path, name: str, number: int, digest: Any) -> Upload:
    path = folder / str(len(list(folder.iterdir())))
    if entry.stream.closed:
        raise BodyConsumed
    entry.stream.seek(0)  # the application may have read it
    with path.open("wb") as out:
        shutil.copyfileobj(entry.stream, out, 1 << 20)
    with path.open("rb") as file:
        digest.update(f"\0{name}\0{number}\0{hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return Upload(path, entry.filename or "", entry.mimetype, path.stat().st_size)


def _is_array(operation: Operation, name: str) -> bool:
    schema = operation.input.model_json_schema().get("properties", {}).get(name, {})
    kinds: Sequence[Any] = [schema, *schema.get("anyOf", ())]
    return any(kind.get("type") == "array" for kind in kinds)


def _invalid(error: ValidationError) -> InvalidInput:
    errors = field_errors(error)
    fields = ", ".join(".".join(map(str, entry["loc"])) or "the input" for entry in errors[:3])
    return InvalidInput(f"the input does not fit its schema: {fields}", errors=errors)
