"""Records runs of a real server, over real sockets, as `recorded/*.json`: `python -m tests.streams.record`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.clients import Connection, Message, parse_frame
from tests.live.requests import APP, JSON, ask, snapshot, start
from tests.servers import Server, gunicorn

HERE: Final = Path(__file__).parent / "recorded"

Act = Callable[[Server, str, Message], None]


def answer(server: Server, run: str, message: Message) -> None:
    """Answers a question with yes."""
    if message.event == "question":
        body = json.dumps({"question": message.json["question"], "answer": True}).encode()
        ask(server, "POST", f"/api/runs/{run}/answer", JSON, body)


def cancel(server: Server, run: str, message: Message) -> None:
    """Cancels at each progress: only the first cancel has an effect."""
    if message.event == "progress":
        ask(server, "DELETE", f"/api/runs/{run}")


def do_nothing(server: Server, run: str, message: Message) -> None:
    """Only watches."""


RECORDINGS: Final[dict[str, tuple[str, str, dict[str, Any], Act]]] = {
    "everything": ("Events of every kind, and a result.", "steps", {"count": 4, "every": 2, "size": 20}, do_nothing),
    "question": ("A question, its answer, and the result `true`.", "curious", {}, answer),
    "failed": ("A run that fails after a step.", "simulate", {"steps": 3, "interval": 0.1, "fail_at": 2}, do_nothing),
    "cancelled": ("A run that is cancelled.", "simulate", {"steps": 2, "interval": 60}, cancel),
}


def record(server: Server, title: str, operation: str, input: dict[str, Any], act: Act) -> dict[str, Any]:
    """One run, as a file describes it."""
    with Connection(server) as viewer:
        run = start(viewer, operation, **input)
        frames = []
        while (frame := viewer.frame()) is not None:
            frames.append(frame.decode() + "\n\n")
            act(server, run, parse_frame(frame))
    messages = [parse_frame(frame.encode().removesuffix(b"\n\n")) for frame in frames[1:]]
    end = snapshot(server, run) | {"viewers": 0}
    return {
        "title": title,
        "operation": operation,
        "run": run,
        "frames": frames,
        "snapshot": end,
        "events": [{"id": each.id, "type": each.event, "data": each.json} for each in messages],
        "ending": ending(end, messages[-1].json),
    }


def ending(snapshot: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """The ending that a client must report."""
    status = done["status"]
    if status == "succeeded":
        return {"status": status, "result": snapshot["result"]}
    if status == "failed":
        return {"status": status, "error": {key: snapshot["error"][key] for key in ("code", "message", "retryable")}}
    return {"status": status, "reason": done["reason"]}


def main() -> None:
    """Writes all recordings."""
    with gunicorn(APP) as server:
        for name, script in RECORDINGS.items():
            recording = json.dumps(record(server, *script), indent=2, ensure_ascii=False)
            (HERE / f"{name}.json").write_text(recording + "\n")


if __name__ == "__main__":
    main()
