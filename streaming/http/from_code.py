"""A start from code of the application: what `Headway.start` does."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import has_request_context, request
from pydantic import BaseModel
from werkzeug.datastructures import FileStorage

from ..errors import InvalidInput, NotFound
from ..runs.operation import Operation
from ..stores.base import owner_text
from ..stores.files import Files
from .inputs import RunInput, refusals, save_files

if TYPE_CHECKING:
    from .extension import Headway

Input = BaseModel | Mapping[str, Any] | None


def start_run(
    headway: Headway,
    operation: str | Operation,
    input: Input,
    *,
    owner: str | int | UUID | None,
    linger: float | None,
    key: str | None,
) -> str:
    """Starts a run, and gives its id; the arguments are those of `Headway.start`."""
    runner = headway.runner
    name = operation.name if isinstance(operation, Operation) else operation
    known = runner.operations.get(name)
    if known is None:
        raise NotFound(f"there is no operation {name!r}", code="operation_not_found")
    queued = headway.queues(known)
    text = "" if owner is None or owner == "" else owner_text(owner)
    call = headway.call_context(known)
    read = _read(known, input, runner.store.files)
    value = read.value if queued else known.with_headers(read.value, _header)

    def start() -> str:
        run, _ = runner.start(
            known,
            value,
            owner=text,
            client=text or None,
            key=key or None,
            digest=read.digest if key else None,
            linger=linger,
            queued=queued,
            cleanup=read.discard,
            call=call,
        )
        return run

    return runner.worker.call(start)


def _header(name: str) -> str | None:
    """A header of the current request, if there is one."""
    return request.headers.get(name) if has_request_context() else None


def _read(operation: Operation, input: Input, place: Files) -> RunInput:
    """The checked input, with copies of its files. Raises `InvalidInput`."""
    digest = hashlib.sha256(f"{operation.name}\0code".encode())
    with ExitStack() as stack:
        data = dict(input) if isinstance(input, Mapping) else {}
        fields = operation.file_fields()
        files = {name: entries for name in data if name in fields and (entries := _files(name, data[name], stack))}
        folder = place.call(place.new_folder) if files else None
        try:
            if folder is not None:
                save_files(files.items(), operation, folder.path, data, digest)
            given = {} if input is None else data or input
            with refusals():
                checked = input if isinstance(input, operation.input) else operation.input.model_validate(given)
            own = {name for name, field in operation.input.model_fields.items() if (field.alias or name) in files}
            digest.update(checked.model_dump_json(exclude=own).encode())
            return RunInput(checked, digest.hexdigest(), folder)
        except BaseException:
            if folder is not None:
                folder.delete()
            raise


def _files(name: str, value: Any, stack: ExitStack) -> list[FileStorage]:
    """The files that are given for a field: open ones, those of a request, and paths, which `stack` closes."""
    files = []
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, Path):
            try:
                stream = stack.enter_context(each.open("rb"))
            except OSError as error:
                raise InvalidInput(f"{name}: {error}", errors=[{"loc": [name], "msg": str(error)}]) from error
            files.append(FileStorage(stream, each.name, content_type=mimetypes.guess_type(each)[0]))
        elif isinstance(each, FileStorage):
            files.append(each)
    return files
