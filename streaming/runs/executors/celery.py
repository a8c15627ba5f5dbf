"""Operations in the workers of a Celery: where they begin is decided by a start, and this is how they run there."""

from __future__ import annotations

from ...errors import RegistrationError
from ...extras import is_installed, not_installed
from ..operation import Operation
from .greenlet import GreenletExecutor


class CeleryExecutor(GreenletExecutor):
    """Operations in a process of a Celery worker: in greenlets of its gevent pool, in threads of the others.

    A start puts such a run into the queue of the store, and `runs.messages` says so. A process that does not belong to
    Celery runs none.
    """

    def check(self, operation: Operation) -> None:
        if operation.runs_in != "celery":  # asked at a start, which has begun here
            raise RegistrationError(
                f'{operation.name}: its `where` gives "celery", where only operations with runs_in="celery" are sent to'
            )
        if not is_installed("celery"):
            missing = not_installed("celery", 'runs_in="celery"')
            raise RegistrationError(f"{operation.name}: {missing}")
