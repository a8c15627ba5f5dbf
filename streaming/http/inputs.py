"""The input of a run as a request carries it: JSON or a form, checked by the operation's pydantic model."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import BadRequest, BodyConsumed, FieldError, InvalidInput, TooLarge, UnsupportedMedia
from ..protocol.json_limits import MAX_LEVELS, MAX_NAMES, excess_of
from ..runs.operation import Operation
from ..runs.upload import Upload
from ..runtime.hub import give_way
from ..runtime.worker import Worker
from ..settings import Settings
from ..stores.files import Files, InStore, UploadFolder

MULTIPART: Final = "multipart/form-data"
FORMS: Final = (MULTIPART, "application/x-www-form-urlencoded")

MAX_ERRORS: Final = 20
"""Errors that a problem lists."""
MAX_CONVERTED: Final = 20_000
"""Errors above which none is listed: pydantic converts all of them, or none."""
MAX_NAME: Final = 200
MAX_MESSAGE: Final = 500
"""Characters of a name, and of a message, in an error."""
JSON_INVALID: Final = "json_invalid"
"""pydantic's type of error for a body that is not JSON."""
MAX_ESCAPES: Final = 150_000
"""Bytes of a form that are escaped as `%XX`: each takes a microsecond."""
TURN: Final = 1 << 18
"""Bytes of a body that are read before others have a turn."""
PIECE: Final = 1 << 20
"""Bytes of a file that are copied before others have a turn."""

EMPTY_FORM = 8
"""Bytes of a multipart form without a part, besides its boundary (RFC 2046, section 5.1.1)."""


class RunInput:
    """A checked input, the digest of its body, and the folder of its files."""

    def __init__(self, value: BaseModel, digest: str, folder: UploadFolder | None) -> None:
        self.value = value
        self.digest = digest
        self._folder = folder

    def discard(self) -> None:
        """Deletes the files."""
        if self._folder is not None:
            self._folder.delete()


class _SharedBody:
    """A body that lets others in while it is read: what has arrived already is read without a wait."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[bytes]:
        return map(self._count, self._stream)

    def read(self, *size: int) -> bytes:
        return self._count(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._count(self._stream.readline(*size))

    def _count(self, data: bytes) -> bytes:
        self._read += len(data)
        if self._read >= TURN:
            self._read = 0
            give_way()
        return data


def limit_body(request: Request, settings: Settings) -> None:
    """Limits what anybody reads of the body, before the functions of the application do."""
    # One byte more: werkzeug silently cuts a body without a length at the limit.
    request.max_content_length = _max_bytes(request, settings) + 1
    request.max_form_memory_size = settings.max_json  # of each text; werkzeug's own limit is half a megabyte
    if "wsgi.input" in request.environ and Worker.current().here:
        request.environ["wsgi.input"] = _SharedBody(request.environ["wsgi.input"])


def read_input(request: Request, operation: Operation, settings: Settings, files: Files | None = None) -> RunInput:
    """The input of `operation` in `request`, within the limits of the settings and of `json_limits`.

    Its files go into a new folder of `files`, or into a temporary one.

    Raises `BadRequest`, `TooLarge`, `UnsupportedMedia`, `InvalidInput` and `BodyConsumed`.
    """
    if request.mimetype not in FORMS:
        return _from_json(request, operation, read_body(request, settings))
    fields, sent = read_form(request, settings)
    return _from_form(fields, sent, operation, settings.max_json, files or InStore())


def read_form(request: Request, settings: Settings) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
    """The fields and the files of a form, also where the application has read it.

    Raises `BadRequest`, `TooLarge` and `BodyConsumed`.
    """
    if "form" not in request.__dict__:
        _check_unread(request)
    with _limited(request, settings):
        if request.mimetype != MULTIPART:
            _check_urlencoded(request.get_data(parse_form_data=False))
        fields, files = request.form, request.files
    size = _position(request)
    _check_size(request, size, settings)
    if not fields and not files and size and size > len(request.mimetype_params.get("boundary", "")) + EMPTY_FORM:
        raise BadRequest("no field of this form can be read", code="invalid_form")  # werkzeug says nothing
    return fields, files


def _check_urlencoded(body: bytes) -> None:
    """Refuses a form that would take long to decode."""
    if body.count(b"&") >= MAX_NAMES:
        raise _excessive(f"more than {MAX_NAMES:,} names")
    if body.count(b"%") > MAX_ESCAPES:
        raise _excessive(f"more than {MAX_ESCAPES:,} escaped bytes: send {MULTIPART}")


def read_body(request: Request, settings: Settings) -> bytes:
    """The body of `request`, which is JSON or text, also where the application has read and cached it.

    Raises `BadRequest`, `TooLarge`, `UnsupportedMedia` and `BodyConsumed`.
    """
    if request.mimetype in FORMS and request.__dict__.get("form"):
        raise UnsupportedMedia("the application reads this body as a form: send application/json")
    _check_unread(request)
    with _limited(request, settings):
        body = request.get_data(cache=False)
    _check_size(request, len(body), settings)
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


def _max_bytes(request: Request, settings: Settings) -> int:
    return settings.max_body if request.mimetype == MULTIPART else min(settings.max_body, settings.max_json)


def _check_size(request: Request, size: int | None, settings: Settings) -> None:
    """Refuses a body that is too large, or of which a part is missing: half an input must not look whole."""
    length = request.content_length
    if max(size or 0, length or 0) > _max_bytes(request, settings):
        raise _too_large(request, settings)
    announced = length or int(bool(request.mimetype and "Transfer-Encoding" in request.headers))
    if size is not None and size < announced:
        raise BadRequest("the body broke off, or the application had read it before", code="incomplete_body")


@contextlib.contextmanager
def _limited(request: Request, settings: Settings) -> Iterator[None]:
    try:
        yield
    except RequestEntityTooLarge:
        raise _too_large(request, settings) from None


def _too_large(request: Request, settings: Settings) -> TooLarge:
    most = _max_bytes(request, settings)
    if request.mimetype == MULTIPART:
        return TooLarge(f"a form has at most {most} bytes, {settings.max_json} of text, and 1,000 parts")
    return TooLarge(f"a request has at most {most} bytes")


def field_errors(error: ValidationError) -> list[FieldError]:
    """The first `MAX_ERRORS` that pydantic found, in the form of a problem document; long texts are cut."""
    if error.error_count() > MAX_CONVERTED:
        return [{"loc": [], "msg": f"has {error.error_count():,} errors"}]
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
    return [
        {
            "loc": [part[:MAX_NAME] if isinstance(part, str) else part for part in details["loc"][:MAX_LEVELS]],
            "msg": details["msg"][:MAX_MESSAGE],
        }
        for details in found
    ]


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Raises `BadRequest` or `InvalidInput` for what the check of an input raises."""
    try:
        yield
    except ValidationError as error:
        errors = field_errors(error)
        if error.error_count() == 1 and error.errors(include_url=False, include_input=False)[0]["type"] == JSON_INVALID:
            raise BadRequest("the body is not JSON", code="invalid_json", errors=errors) from error
        fields = ", ".join(".".join(map(str, entry["loc"])) or "the input" for entry in errors[:3])
        raise InvalidInput(f"the input does not fit its schema: {fields}", errors=errors) from error
    except (RecursionError, OverflowError, MemoryError) as error:
        raise _excessive("too many levels, or a number that is too large") from error


def _excessive(what: str) -> InvalidInput:
    return InvalidInput(f"the input has {what}", errors=[{"loc": [], "msg": f"has {what}"}])


def _from_json(request: Request, operation: Operation, body: bytes) -> RunInput:
    if body and not request.is_json:
        raise UnsupportedMedia("input is application/json, or multipart/form-data where it has a file")
    if excess := excess_of(body):
        raise _excessive(excess)
    with refusals():
        value = operation.input.model_validate_json(body or b"{}")
    return RunInput(value, hashlib.sha256(operation.name.encode() + b"\0" + body).hexdigest(), None)


def _from_form(
    fields: MultiDict[str, str],
    sent: MultiDict[str, FileStorage],
    operation: Operation,
    max_text: int,
    files: Files,
) -> RunInput:
    if None in fields or None in sent:
        raise BadRequest("a part of the form has no name")
    digest, size = hashlib.sha256(operation.name.encode()), 0
    for name, value in sorted(fields.items(multi=True)):
        text = f"\0{name}\0{value}".encode(errors="surrogatepass")
        digest.update(text)
        size += len(text)
    if size > max_text:
        raise TooLarge(f"the texts of a form have at most {max_text} bytes")
    data = _values(fields, operation)
    folder = files.call(files.new_folder) if sent else None
    try:
        if folder is not None:
            save_files(sent.lists(), operation, folder.path, data, digest)
        with refusals():
            return RunInput(operation.input.model_validate(data), digest.hexdigest(), folder)
    except BaseException:
        if folder is not None:
            folder.delete()
        raise


def _values(fields: MultiDict[str, str], operation: Operation) -> dict[str, Any]:
    """The values of a form by name, lists for arrays. Raises `InvalidInput` for one that is JSON, with too much."""
    kinds = operation.form_fields
    for name, text in fields.items(multi=True):
        if kinds.get(name) == "json" and (excess := excess_of(text.encode(errors="replace"))):
            raise InvalidInput(f"{name} has {excess}", errors=[{"loc": [name], "msg": f"has {excess}"}])
    return {name: fields.getlist(name) if kinds.get(name) == "array" else fields[name] for name in fields}


def save_files(files: Any, operation: Operation, folder: Path, data: dict[str, Any], digest: Any) -> None:
    """Copies files into `folder`, and puts them into `data` as uploads. Raises `InvalidInput`."""
    several, paths = operation.file_fields(), itertools.count()
    for name, entries in files:
        if name not in several:
            raise InvalidInput("the input has no such file", errors=[{"loc": [name], "msg": "takes no file"}])
        if len(entries) > 1 and not several[name]:
            raise InvalidInput("one file too many", errors=[{"loc": [name], "msg": "takes one file"}])
        uploads = []
        for number, entry in enumerate(entries):
            uploads.append(_spool(entry, folder / str(next(paths)), f"\0{name}\0{number}\0", digest))
        data[name] = uploads if several[name] else uploads[0]


def _spool(entry: FileStorage, path: Path, name: str, digest: Any) -> Upload:
    if entry.stream.closed:
        raise BodyConsumed
    entry.stream.seek(0)  # the application may have read it
    content = hashlib.sha256()
    with path.open("wb") as out:
        while piece := entry.stream.read(PIECE):
            out.write(piece)
            content.update(piece)
            if (len(piece) == PIECE or path.name != "0") and Worker.current().here:
                give_way()
    digest.update(f"{name}{content.hexdigest()}".encode())
    return Upload(path, entry.filename or "", entry.mimetype, path.stat().st_size, content.hexdigest())
