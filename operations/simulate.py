"""`simulate`: a run that does nothing real, for trying one's own proxies, clients and deployments.

Its input says where it runs, so that one can see a stop reach a greenlet, a thread and a process.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Literal

import gevent
from gevent import monkey
from pydantic import BaseModel, ConfigDict, Field

from streaming import Event, OperationError, ask, on_cancel, operation, progress

FILLER = "The quick brown fox jumps over the lazy dog. "


class Simulation(BaseModel):
    """What the run is to look like from outside."""

    model_config = ConfigDict(extra="forbid")

    steps: int = Field(10, ge=0, le=1_000_000, description="How many steps it takes.")
    interval: float = Field(0.5, ge=0, le=3600, description="Seconds from one step to the next.")
    silent: float = Field(0, ge=0, le=86400, description="Seconds without any event, after the last step.")
    payload: int = Field(0, ge=0, le=1_000_000, description="Bytes of each step's message; 0 for a short one.")
    fail_at: int | None = Field(None, ge=1, description="The step at which it fails.")
    burn: float = Field(0, ge=0, le=60, description="Seconds of processor time that each step burns.")
    ask_at: int | None = Field(None, ge=1, description="The step at which it asks whether to go on.")
    runs_in: Literal["greenlet", "thread", "process"] = Field("greenlet", description="Where it runs.")


@operation(title="Simulate a run", where=lambda simulation: simulation.runs_in)
def simulate(input: Simulation) -> Generator[Event, Any, dict[str, Any]]:  # the contract's word
    """Takes its steps, says so, and does nothing."""
    for step in range(1, input.steps + 1):
        if input.ask_at == step and not (yield ask("Go on?", schema={"type": "boolean"}, within=600)):
            return {"steps": step - 1, "stopped": True}
        if input.fail_at == step:
            raise OperationError("simulated_failure", f"The simulation fails at step {step}, as it was told to.")
        _burn(input.burn)
        yield progress(_message(step, input), done=step, total=input.steps, unit="steps")
        _pause(input.interval, input.runs_in)
    _pause(input.silent, input.runs_in)
    return {"steps": input.steps, "stopped": False}


def _message(step: int, input: Simulation) -> str:
    said = f"Step {step} of {input.steps}"
    return (said + ". " + FILLER * (input.payload // len(FILLER) + 1))[: input.payload] if input.payload else said


def _pause(seconds: float, runs_in: str) -> None:
    """Waits as work in that place would: a thread in C code, which nothing but an `on_cancel` hook can end early."""
    if not seconds:
        return
    if runs_in == "greenlet":
        gevent.sleep(seconds)
    elif runs_in == "process":
        time.sleep(seconds)
    else:
        lock = monkey.get_original("_thread", "allocate_lock")()
        lock.acquire()
        with on_cancel(lock.release):
            lock.acquire(timeout=seconds)


def _burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
