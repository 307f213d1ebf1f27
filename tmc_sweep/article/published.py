"""The article's numbers, from published.yaml, and ours beside them."""

from functools import cache
from typing import Literal

from pydantic import Field

from tmc_sweep.article.conditions import Condition
from tmc_sweep.article.data_file import DataFile, load


class Number(DataFile):
    """One number that the article prints, and the setting it was measured in."""

    id: str
    source: str  # table or section
    cell: Condition
    epochs: int | None = None  # null: not stated
    seeds: int | None = None  # runs averaged
    metric: Literal["test_objective", "epoch_seconds"]  # nats per image over the last 50 epochs; seconds of an epoch
    value: float
    to: float | None = None  # the range's other end
    spread: float | None = None  # as printed after ±
    device: str | None = None


class Published(DataFile):
    """The whole file."""

    notes: dict[str, str]  # by source: what a reader of its numbers must know
    numbers: tuple[Number, ...] = Field(min_length=1)


@cache
def published() -> Published:
    """The article's numbers."""
    return load(Published, "published.yaml")
