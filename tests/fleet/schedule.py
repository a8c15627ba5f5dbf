"""Which fault comes when: every kind of process is killed, paused and parted from others, in an order by a seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["kill", "pause", "part"]
ACTIONS: Final[tuple[Action, ...]] = ("kill", "pause", "part")

HOSTS: Final = ("web", "worker")
"""What may have the producers of runs; all others are needed by every worker."""

SHORT: Final = 2.0
"""Seconds of a pause or a partition within a lease."""

LONG: Final = 9.0
"""Seconds of one that outlasts a lease of 6 s: others take over what the process had."""


@dataclass(frozen=True)
class Fault:
    """What is done at `at` seconds to process `number` of a kind, and for how long; a kill has no length."""

    at: float
    kind: str
    number: int
    action: Action
    seconds: float

    def __str__(self) -> str:
        length = "" if self.action == "kill" else f" for {self.seconds:g} s"
        return f"{self.at:6.1f} s  {self.action} {self.kind} {self.number}{length}"


def schedule(kinds: dict[str, int], faults: int, every: float, seed: int) -> list[Fault]:
    """So many faults, one each `every` seconds; `kinds` has how many processes there are of each kind.

    Each round has every action on every kind once. A process without a second one of its kind is away for a short time
    only. The first round begins with the kills of what may have producers, and ends with what every worker needs: while
    that is away, nobody can take anything over.
    """
    chance = random.Random(seed)
    found: list[Fault] = []
    for rounds in itertools.count():
        pairs = list(itertools.product(kinds, ACTIONS))
        chance.shuffle(pairs)
        if not rounds:
            pairs.sort(key=lambda pair: (pair[0] not in HOSTS, pair[1] != "kill", pair[0]))
        for kind, action in pairs:
            if len(found) == faults:
                return found
            long = kinds[kind] > 1 and (rounds + ACTIONS.index(action)) % 2 == 1
            number = chance.randrange(kinds[kind])
            found.append(Fault(len(found) * every, kind, number, action, LONG if long else SHORT))
    raise AssertionError("a round has at least one fault")


def described(faults: Sequence[Fault], seed: int) -> str:
    """The schedule as text, with the seed that makes it again."""
    return "\n".join([f"seed {seed}", *map(str, faults)])
