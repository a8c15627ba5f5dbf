"""Runs the agent on 350 goals with known answers, and prints how many it answers rightly.

`python -m bench.agent --base-url http://127.0.0.1:8081/v1` asks the model of that server; a model of 1.5 billion
parameters on two cores takes more than an hour. An answer is right, wrong and told (`unsupported`, or
`gave_up`), or wrong and not told, which must not be. The APIs are scripted, on a server of this process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from bench import (
    agent_goals,
    agent_goals_household,
    agent_goals_later,
    agent_goals_more,
    agent_goals_others,
    agent_goals_port,
    agent_goals_services,
    agent_goals_town,
    agent_goals_trades,
    agent_goals_various,
    agent_goals_work,
)
from bench.agent_goals import Task
from operations.agent import Agent, agent
from streaming import OperationError, Upload

_GOALS: Final = (
    *(agent_goals, agent_goals_others, agent_goals_later, agent_goals_more, agent_goals_household),
    *(agent_goals_town, agent_goals_work, agent_goals_various, agent_goals_services),
    *(agent_goals_trades, agent_goals_port),
)
SOURCES: Final = {name: source for goals in _GOALS for name, source in goals.SOURCES.items()}
FILES: Final = {name: text for goals in _GOALS for name, text in goals.FILES.items()}
TASKS: Final = tuple(task for goals in _GOALS for task in goals.TASKS)
KINDS: Final = ("right", "wrong-and-told", "wrong-and-not-told")


@dataclass(frozen=True)
class Outcome:
    """What became of a goal."""

    name: str
    kind: str
    support: str
    ended: str
    seconds: float
    calls: int
    tokens: int
    answer: str


class Apis(ThreadingHTTPServer):
    """The scripted APIs: `GET /TOOL?PARAMETER=KEY`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    def tools(self) -> list[dict[str, Any]]:
        """The entries of the tools file."""
        return [
            {
                "name": name,
                "description": source.description,
                "url": f"http://127.0.0.1:{self.server_port}/{name}",
                "parameters": {
                    "type": "object",
                    "required": [source.parameter],
                    "properties": {source.parameter: {"type": source.kind}},
                },
            }
            for name, source in SOURCES.items()
        ]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that the standard library calls
        """One answer of a tool."""
        url = urlsplit(self.path)
        source = SOURCES[url.path.strip("/")]
        key = " ".join(unquote(parse_qs(url.query).get(source.parameter, [""])[0]).split()).casefold()
        found = source.answers.get(key, source.other)
        status = found if isinstance(found, int) else 200
        body = json.dumps({"error": "unavailable" if status == 503 else "not found"} if status != 200 else found)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


def main() -> None:
    """Runs the goals, and prints the table."""
    options = arguments()
    only = options.only.split(",") if options.only else [task.name for task in TASKS]
    tasks = [task for task in TASKS if task.name in only]
    with tempfile.TemporaryDirectory() as folder, world(Path(folder), options.base_url):
        outcomes = []
        for task in tasks:
            outcomes.append(attempt(task, Path(folder), options))
            if not options.json:
                print(_line(outcomes[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], ensure_ascii=False, indent=1))
    else:
        print(summary(outcomes))
    sys.exit(any(outcome.kind == KINDS[2] for outcome in outcomes))


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8081/v1", help="the OpenAI-compatible server")
    parser.add_argument("--only", default="", help="names of goals, with commas between them")
    parser.add_argument("--seconds", type=float, default=120, help="the limit of a goal")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--events", action="store_true", help="print the events of the agent too")
    return parser.parse_args()


@contextmanager
def world(folder: Path, base_url: str) -> Iterator[None]:
    """The APIs, with the settings of the agent for them."""
    with Apis() as apis:
        threading.Thread(target=apis.serve_forever, daemon=True).start()
        file = folder / "tools.json"
        file.write_text(json.dumps({"tools": apis.tools()}))
        os.environ |= {
            "HEADWAY_AGENT_TOOLS_FILE": str(file),
            "HEADWAY_AGENT_PRIVATE_HOSTS": f"127.0.0.1:{apis.server_port}",
            "HEADWAY_LLM_BASE_URL": base_url,
            "HEADWAY_LLM_MODEL": os.environ.get("HEADWAY_LLM_MODEL", "default"),
            "HEADWAY_LLM_TIMEOUT": "600",
        }
        yield
        apis.shutdown()


def attempt(task: Task, folder: Path, options: argparse.Namespace) -> Outcome:
    """The outcome of a goal."""
    start = time.monotonic()
    result: Any = None
    run = agent.fn(Agent(goal=task.goal, tools=list(task.tools), file=_files(task, folder), seconds=options.seconds))
    try:
        while True:
            event = next(run)
            if options.events and event.name in ("plan", "observation", "final_answer"):
                print(f"    {event.name} {json.dumps(event.data, ensure_ascii=False)}", flush=True)
    except StopIteration as end:
        result = end.value
    except OperationError as error:
        return Outcome(task.name, KINDS[1], "", error.code, time.monotonic() - start, 0, 0, error.message)
    return Outcome(
        task.name,
        kind_of(task, result.answer, result.support, result.ended),
        result.support,
        result.ended,
        round(time.monotonic() - start, 1),
        result.usage["calls"],
        result.usage["completion_tokens"],
        result.answer,
    )


def _files(task: Task, folder: Path) -> list[Upload]:
    uploads = []
    for name in task.files:
        (folder / name).write_text(FILES[name])
        kind = "text/csv" if name.endswith(".csv") else "text/plain"
        uploads.append(Upload(folder / name, name, kind, len(FILES[name].encode())))
    return uploads


def kind_of(task: Task, answer: str, support: str, ended: str) -> str:
    """Whether an answer is right. One without support is wrong, but says so."""
    if support != "supported":
        return KINDS[1]
    right = all(re.search(pattern, answer) for pattern in task.right)
    if right and not any(re.search(pattern, answer) for pattern in task.wrong):
        return KINDS[0]
    return KINDS[1] if ended == "gave_up" else KINDS[2]


def _line(outcome: Outcome) -> str:
    answer = " / ".join(outcome.answer.splitlines())
    return f"{outcome.kind:20}{outcome.name:16}{outcome.seconds:6.1f} s  {outcome.ended:9} {answer[:150]}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """The number of each kind, and the seconds of a goal."""
    counts = Counter(outcome.kind for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes) / max(len(outcomes), 1)
    return ", ".join([*(f"{kind} {counts[kind]}" for kind in KINDS), f"{seconds:.1f} s a goal"])


if __name__ == "__main__":
    main()
