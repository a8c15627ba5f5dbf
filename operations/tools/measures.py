"""What is compared by an adjective: the weight of what is heavier."""

from __future__ import annotations

from typing import Final

from .goal import Goal
from .observed import is_alike, words, words_of_key
from .units import unit_of

MEASURES: Final = [
    (words("long longer longest short shorter shortest"), words("length page duration minute distance km")),
    (words("heavier heaviest lighter lightest"), words("weight mass")),
    (words("warmer warmest colder coldest hotter hottest cooler coolest"), words("temperature")),
    (words("higher highest taller tallest lower lowest"), words("height elevation altitude")),
    (words("deeper deepest shallower shallowest"), words("depth")),
    (
        words("cheaper cheapest dearer dearest costlier costliest pricier priciest"),
        words("price cost fee rate rent fare"),
    ),
    (words("larger largest bigger biggest smaller smallest"), words("size area seat population member staff")),
    (words("windier windiest"), words("wind")),
    (words("older oldest younger youngest"), words("age")),
    (words("louder loudest quieter quietest noisier"), words("noise sound loudness")),
    (
        words("older oldest younger youngest newer newest earlier earliest later latest sooner soonest"),
        words("year date day founded built born joined opened established begun ordered"),
    ),
]
"""Adjectives, and the words in the names of the fields that they compare."""
TIMES: Final = MEASURES[-1][1]
"""Words in the names of fields that are dates."""


def is_measured(key: str, goal: Goal) -> bool:
    """Whether a field is what an adjective of the goal compares: the weight of what is heavier."""
    parts = {*words_of_key(key)}
    parts = {part for part in parts if unit_of(part) is None} or parts  # `diameter_km` is no length
    measured = any(
        fields & parts and any(is_alike(word, adjective) for word in goal.words for adjective in adjectives)
        for adjectives, fields in MEASURES
    )
    return measured or any(is_alike(part, degree) for part in parts for degree in goal.degrees)
