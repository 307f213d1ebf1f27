"""The numbers that the article prints, read from published.yaml."""

from functools import cache
from typing import Literal

from pydantic import Field

from tmc_sweep.article.conditions import Condition
from tmc_sweep.article.data_file import DataFile, load


class Number(DataFile):
    """One number that the article prints, and the setting it was measured in."""

    id: str
    source: str  # table or section of the article
    cell: Condition  # its setting
    epochs: int | None = None  # trained; null: not stated
    seeds: int | None = None  # runs that were averaged; null: not stated
    metric: Literal["test_objective", "epoch_seconds"]  # nats per image over the last 50 epochs; seconds of an epoch
    value: float
    to: float | None = None  # the other end, where the article prints a range
    spread: float | None = None  # as printed after ±
    device: str | None = None


class Published(DataFile):
    """The content of published.yaml."""

    notes: dict[str, str]  # by source: what a reader of its numbers must know
    numbers: tuple[Number, ...] = Field(min_length=1)


@cache
def published() -> Published:
    """The article's numbers, and notes on them."""
    return load(Published, "published.yaml")
