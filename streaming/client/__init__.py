"""The Python client: start a run, or watch one, and read its typed events. It loads neither Flask nor gevent.

    with Client("http://127.0.0.1:8000") as headway, headway.start("extract", {"file": Path("report.pdf")}) as run:
        for event in run:
            match event:
                case Progress(percent=percent) if percent is not None: print(f"{percent:.0f} %")
                case Delta(text=text): print(text, end="")
        print(run.result())

A lost connection is opened again, and the stream goes on after the last event: see `streaming.client.reader`. Needs the
extra `client` (httpx).
"""

from ..extras import needs
from ..protocol.typed import (
    Answer,
    Attempt,
    Delta,
    Done,
    Error,
    Other,
    Partial,
    Progress,
    Question,
    Reset,
    Result,
    RunEvent,
    RunFile,
    RunWarning,
    Snapshot,
    Start,
    Usage,
)

with needs("client", "streaming.client"):
    from .aio import AsyncClient, AsyncRun
    from .errors import (
        ClientError,
        Conflict,
        Interrupted,
        InvalidInput,
        Left,
        NotAStream,
        NotFound,
        Overloaded,
        RequestRefused,
        RunCancelled,
        RunFailed,
        Unauthorized,
        Unreachable,
    )
    from .forms import File
    from .reader import Backoff
    from .sync import Client, Run

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncRun",
    "Attempt",
    "Backoff",
    "Client",
    "ClientError",
    "Conflict",
    "Delta",
    "Done",
    "Error",
    "File",
    "Interrupted",
    "InvalidInput",
    "Left",
    "NotAStream",
    "NotFound",
    "Other",
    "Overloaded",
    "Partial",
    "Progress",
    "Question",
    "RequestRefused",
    "Reset",
    "Result",
    "Run",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunFile",
    "RunWarning",
    "Snapshot",
    "Start",
    "Unauthorized",
    "Unreachable",
    "Usage",
]
