"""The routes of one extension, as a blueprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

import orjson
from flask import Blueprint, Request, Response, g, request, url_for
from werkzeug.exceptions import HTTPException

from ..clock import stamp
from ..errors import (
    Conflict,
    HeadwayError,
    NotFound,
    NotImplementedHere,
    Unavailable,
)
from ..extras import not_installed
from ..runs import questions
from ..runs.handshake import Handshake
from ..runs.observers import StreamOpened
from ..runs.operation import Operation
from ..stores.base import Record
from ..stores.partials import RESOLVED_BYTES, resolved
from .answer_form import read_answer
from .answers import SLICE, Answer, Answers
from .command import LOCAL_WORK
from .context import this_request
from .cors import allow_origin
from .cursor import begin_after, has_nothing_left, last_event_id, read_cursor
from .deadline import begin_body, drop_body, end_body
from .descriptions import Descriptions
from .files import send_file
from .gate import client_of_request, prefix_of_request
from .handshake import leave_later, refusal_of
from .heartbeat import Heartbeat
from .inputs import RunInput, limit_body, read_body, read_input
from .keys import identify
from .listing import list_runs
from .many import find_all, open_runs, read_runs, read_vector
from .page_module import send_page_module
from .preferences import Preferences
from .problems import count_refusal, guarded, problem_response
from .seats import current_seat, drop_seat, pass_seat, take_seat
from .sources import RunSource, Source
from .stream import head, respond
from .tokens import Verb, keep_private, may, read_wish
from .viewer import Viewer
from .views import Lens, Opening, check_query, fragment, open_lens

if TYPE_CHECKING:
    from ..runs.runner import Runner
    from .extension import Headway

try:
    from . import metrics
except ImportError:  # the extra `metrics` is not installed
    metrics = None  # type: ignore[assignment]

NAMES: Final = re.compile(r"<(\w+)>")
OWN_NAMES: Final = ("name", "run")
"""The variables in the rules of the routes."""
RUN: Final = "headway.run"
"""Where the environment of a request has its run, for the server's access log."""


class Routes:
    """The blueprint of one extension."""

    def __init__(self, headway: Headway, name: str) -> None:
        self._headway = headway
        self._descriptions = Descriptions()
        self.blueprint: Blueprint = Blueprint(name, __name__)
        add = self._add
        add("/operations", view_func=self.operations)
        add("/operations/<name>", view_func=self.start, methods=["POST"])
        add("/runs", view_func=self.runs)
        add("/runs/<run>", view_func=self.snapshot)
        add("/runs/<run>", view_func=self.cancel, methods=["DELETE"])
        add("/runs/<run>/events", view_func=self.events)
        add("/runs/<run>/events", view_func=self.erase, methods=["DELETE"])
        add("/events", view_func=self.many)
        add("/runs/<run>/answer", view_func=self.answer, methods=["POST"])
        add("/runs/<run>/tokens", view_func=self.token, methods=["POST"])
        add("/runs/<run>/files/<name>", view_func=partial(send_file, headway))
        add("/headway/client.js", view_func=send_page_module)
        add("/health/live", view_func=self.live)
        add("/health/ready", view_func=self.ready)
        add("/metrics", view_func=self.metrics)
        add("/openapi.json", view_func=self.openapi)
        self.blueprint.url_value_preprocessor(self._limit_body)
        self.blueprint.before_request(guarded(self._identify))
        self.blueprint.teardown_request(_drop)
        self.blueprint.after_request(self._finish)
        # For what the host application's checks raise; its other errors go to its own handlers.
        self.blueprint.register_error_handler(HTTPException, problem_response)
        self.blueprint.register_error_handler(HeadwayError, problem_response)

    def _add(self, rule: str, view_func: Callable[..., Response], methods: Sequence[str] = ("GET",)) -> None:
        names = NAMES.findall(rule)

        @wraps(view_func)
        def view(**arguments: Any) -> Response:
            return view_func(*(arguments[name] for name in names))  # the prefix may have variables of its own

        self.blueprint.add_url_rule(rule, view_func=guarded(view), methods=methods)

    # -- routes -------------------------------------------------------------------------------------------------

    def operations(self) -> Response:
        def describe(runner: Runner) -> Any:
            return {"operations": [op.describe(runner.linger_of(op)) for op in runner.operations.values()]}

        return self._answer(self._descriptions.of(self._headway.runner, "", describe))

    def start(self, name: str) -> Response:
        operation, current = self._operation(name), this_request()
        check_query(current.args)
        preferences = Preferences(current)
        if not preferences.detached:
            self._check_streams()
        run_input = read_input(current, operation, self._headway.settings, self._headway.runner.store.files)
        end_body()
        run, source = self._start_run(current, operation, run_input, preferences)
        current.environ[RUN] = run
        headers = {"Location": self._url(".snapshot", run=run), "Run-Id": run, **preferences.applied()}
        if source is None:
            return self._snapshot(self._find(run), 202, headers)
        return self._stream(source, {run: (operation.name, 0)}, self._lens(run), headers)

    def snapshot(self, run: str) -> Response:
        return self._snapshot(self._find(run))

    def events(self, run: str) -> Response:
        record = self._find(run)
        check_query(request.args)
        after, rewound = begin_after(request, self._headway.runner, record)
        if has_nothing_left(record, after, rewound):
            return Response(status=204)
        if request.method == "HEAD":
            return head()
        self._check_streams()
        runner = self._headway.runner
        source = runner.worker.call(
            partial(
                RunSource,
                runner.store,
                run,
                counts=request.args.get("watch") != "0",
                rewound=rewound,
                seat=current_seat(),
            )
        )
        pass_seat()
        return self._stream(source, {run: (record.info.operation, after)}, self._lens(run))

    def many(self) -> Response:
        runner, runs = self._headway.runner, read_runs(request.args.getlist("run"))
        request.environ[RUN] = ",".join(runs)
        records = runner.worker.call(find_all, runner, runs, g.headway_owner)
        seen = read_vector(last_event_id(request))
        check_query(request.args, several=True)
        after = {run: read_cursor(runner, record, seen.get(run, "0")) for run, record in records.items()}
        if all(has_nothing_left(records[run], *after[run]) for run in runs):
            return Response(status=204)
        if request.method == "HEAD":
            return head()
        self._check_streams()
        source = runner.worker.call(open_runs, runner.store, after, current_seat())
        pass_seat()
        lens = open_lens(Opening(self._headway.app, runner.worker, request.args))
        runs_after = {run: (record.info.operation, after[run][0]) for run, record in records.items()}
        return self._stream(source, runs_after, lens)

    def cancel(self, run: str) -> Response:
        runner = self._headway.runner
        record, was_live = runner.worker.call(runner.cancel, run, may("cancel"))
        g.headway_owner = record.info.owner
        return self._snapshot(record, 202 if was_live else 200)

    def erase(self, run: str) -> Response:
        runner = self._headway.runner
        runner.worker.call(runner.erase, run, g.headway_owner)
        return Response(status=204)

    def token(self, run: str) -> Response:
        runner = self._headway.runner
        runner.worker.call(runner.find, run, g.headway_owner)
        wish = read_wish(read_body(request, self._headway.settings))
        end_body()
        token, expires = self._headway.tokens.make(run, wish)
        body = orjson.dumps({"token": token, "expires": stamp(expires)})
        return self._answer(body, 201, headers={"Cache-Control": "no-store"})

    def answer(self, run: str) -> Response:
        record = self._find(run, "answer")
        body = read_answer(request, self._headway.settings, record.fold.question)
        end_body()
        question, answer = questions.check_answer(body, record.fold.question)
        runner = self._headway.runner
        if not runner.worker.call(runner.store.answer, run, question, answer):
            raise Conflict("this question has already been answered", code="already_answered")
        return self._snapshot(self._find(run, "answer"), 202)

    def runs(self) -> Response:
        return self._answer(list_runs(self._headway.runner))

    def live(self) -> Response:
        return self._json({"status": "live"})

    def ready(self) -> Response:
        runner = self._headway.runner
        if runner.draining:
            raise Unavailable("this worker is stopping", code="draining", retry_after=1)
        runner.worker.call(runner.store.ready)
        return self._json({"status": "ready"})

    def metrics(self) -> Response:
        if metrics is None:
            raise NotImplementedHere(not_installed("metrics", "this route"))
        prometheus = self._headway.worker.part(metrics.Prometheus)
        return self._answer(prometheus.text(), content_type=metrics.CONTENT_TYPE)

    def openapi(self) -> Response:
        from . import openapi  # with the schema of the events, which is otherwise not needed to serve

        base = self._url(".openapi").removesuffix("/openapi.json")

        def describe(runner: Runner) -> Any:
            return openapi.describe(runner.operations.values(), base, keys=self._headway.authorize is not None)

        return self._answer(self._descriptions.of(self._headway.runner, f"openapi {base}", describe))

    # -- before and after each route ----------------------------------------------------------------------------

    def _limit_body(self, _: str | None, values: dict[str, Any] | None) -> None:
        # Flask calls this ahead of every `before_request`, also the application's, which may read the body.
        current = this_request()
        if values and "run" in values:
            current.environ[RUN] = values["run"]
        limit_body(current, self._headway.settings)
        begin_body(current, self._headway.settings.body_timeout)

    def _identify(self) -> None:
        """Sets the owner of the request, or what its token permits. Raises `Unauthorized`, `NotFound`, `Forbidden`."""
        identify(self._headway, this_request())

    def _finish(self, response: Response) -> Response:
        response = keep_private(count_refusal(response, self._headway.observer), this_request())
        return allow_origin(response, self._headway.settings)

    # -- the steps of a start -----------------------------------------------------------------------------------

    def _operation(self, name: str) -> Operation:
        operation = self._headway.runner.operations.get(name)
        if operation is None:
            raise NotFound(f"there is no operation {name!r}", code="operation_not_found")
        return operation

    def _start_run(
        self, current: Request, operation: Operation, run_input: RunInput, preferences: Preferences
    ) -> tuple[str, RunSource | None]:
        """The id of the run, and the source of its stream unless the caller is detached. Raises `Problem`."""
        runner, queued = self._headway.runner, self._headway.queues(operation)
        if LOCAL_WORK in current.environ:
            queued = operation.runs_in == "celery"
        value = run_input.value if queued else operation.with_headers(run_input.value, current.headers.get)
        handshake = None if queued else operation.handshake(value, runner.worker)
        # Read here: `start` may run in another thread, which has no request.
        call = self._headway.call_context(operation)
        key, owner = current.headers.get("Idempotency-Key") or None, g.headway_owner
        client, seat = client_of_request(self._headway.settings), current_seat()

        def start() -> tuple[str, bool, RunSource | None]:
            run, new = runner.start(
                operation,
                value,
                owner=owner,
                client=client,
                key=key,
                digest=run_input.digest if key else None,
                linger=preferences.linger,
                queued=queued,
                cleanup=run_input.discard,
                call=call,
            )
            # The viewer counts before the hub runs anything else: the run must never seem to have none.
            return run, new, None if preferences.detached else RunSource(runner.store, run, seat=seat)

        run, new, source = runner.worker.call(start)
        pass_seat()
        if new and handshake is not None and run not in runner.queue.kept:
            self._wait_for(handshake, run, source)
        return run, source

    def _wait_for(self, handshake: Handshake, run: str, source: RunSource | None) -> None:
        """Raises the refusal of a handshake."""
        worker = self._headway.runner.worker
        handshake.send_heartbeat = partial(worker.soon, worker.part(Heartbeat).send_to_viewers_of, run)
        refusal = refusal_of(handshake, worker, request.environ)
        if refusal is not None:
            if source is not None:
                worker.soon(leave_later, source)
            raise refusal

    # -- helpers ------------------------------------------------------------------------------------------------

    def _url(self, endpoint: str, **values: Any) -> str:
        """The path of a route, as clients ask for it, under the prefix of the current request."""
        prefix = {name: value for name, value in (request.view_args or {}).items() if name not in OWN_NAMES}
        return prefix_of_request(self._headway.settings) + url_for(endpoint, **prefix | values)

    def _find(self, run: str, verb: Verb = "watch") -> Record:
        """A run with which the request may do this; the request counts for its owner from here on."""
        runner = self._headway.runner
        record = runner.worker.call(runner.find, run, may(verb))
        g.headway_owner = record.info.owner
        return record

    def _snapshot(self, record: Record, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        runner = self._headway.runner
        record = runner.worker.call(partial(resolved, runner.store, record, most=RESOLVED_BYTES))
        if request.args.get("view") == "html":
            html = fragment(self._opening(record.info.id), record.snapshot())
            return self._answer(html, status, headers=headers, content_type="text/html; charset=utf-8")
        return self._answer(record.snapshot(), status, headers=headers)

    def _opening(self, run: str) -> Opening:
        url = self._url(".snapshot", run=run)
        return Opening.of_run(self._headway.app, self._headway.worker, request.args, run, url, g.headway_owner)

    def _lens(self, run: str) -> Lens | None:
        return open_lens(self._opening(run)) if request.args else None

    def _json(self, value: Any) -> Response:
        return self._answer(orjson.dumps(value))

    def _answer(self, body: bytes, status: int = 200, **options: Any) -> Response:
        """An answer that is no stream. Raises `Unavailable` while too many large ones wait to be read."""
        answer = Answer(body, status, **{"content_type": "application/json", **options})
        answer.send_timeout = self._headway.settings.send_timeout
        if len(body) > SLICE:
            answer.client = client_of_request(self._headway.settings)
            self._headway.worker.part(Answers).check_room(answer.client, len(body))
        return answer

    def _stream(
        self,
        source: Source,
        runs: Mapping[str, tuple[str, int]],
        lens: Lens | None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """A stream of these runs, each with its operation and the number of the last event that was seen."""
        settings, runner = self._headway.settings, self._headway.runner
        operations = [runner.operations.get(name) for name, _ in runs.values()]
        for run, (name, after) in runs.items():
            self._headway.observer.stream_opened(StreamOpened(run, name, after))
        viewer = Viewer(
            source,
            runner.worker,
            environ=request.environ,
            heartbeat=settings.heartbeat,
            send_timeout=settings.send_timeout,
            after=next(iter(runs.values()))[1] if len(runs) == 1 else 0,
            each=any(operation is not None and operation.flush == "each" for operation in operations),
            lens=lens,
        )
        if g.headway_grant is not None:
            self._headway.tokens.end_with(viewer, g.headway_grant)
        return respond(viewer, headers)

    def _check_streams(self) -> None:
        if len(self._headway.worker.part(Heartbeat).viewers) >= self._headway.most_streams:
            raise Unavailable("this worker has too many open streams", retry_after=5)
        limit = self._headway.settings.max_streams_per_client
        if limit is not None:
            take_seat(self._headway.worker, client_of_request(self._headway.settings), limit)


def _drop(error: BaseException | None = None) -> None:
    """Lets go of what a request has taken and not handed on."""
    drop_body()
    drop_seat()
