"""What is measured, the most important first, and how long each part may take: the times that are left over go on."""

from typing import NamedTuple


class Part(NamedTuple):
    """One table, measured by `rows` of a module of the same name in a process of its own."""

    name: str
    seconds: float
    title: str


PARTS = (
    Part("losses", 40, "Losses and gradients against a processor's, from the same noise"),
    Part("engines", 75, "Each engine's training against the eager one's"),
    Part("waits", 40, "A step's waits, launches and kernels"),
    Part("steps", 135, "Milliseconds of a step"),
    Part("memory", 25, "Peak memory"),
    Part("halves", 45, "A pack too large for the memory"),
    Part("sharing", 95, "Processes that share a GPU, and packs in their place"),
    Part("epoch", 70, "One epoch of Table 1, small, three seeds, and 1200 of them"),
)
ALL_SECONDS = 525.0  # of nine minutes: to begin and to end takes some
assert sum(part.seconds for part in PARTS) <= ALL_SECONDS  # noqa: S101 - a table that says of itself what it must be
