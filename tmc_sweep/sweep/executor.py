"""Where packs are trained: on Ray, one process each and many at once, or one after another in this process.

Whoever trains them, the same writer records them, so tables and checkpoints are alike and either goes on from the
other's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tmc_sweep.images import Images
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity
from tmc_sweep.sweep.packing import Measure, PackPlan
from tmc_sweep.sweep.signals import StopSignal
from tmc_sweep.sweep.writer import Writer
from tmc_sweep.text import last_line

Reason = tuple[PackPlan, str]  # why a pack did not come to its end


@dataclass(frozen=True)
class Packs:
    """The packs of one run: all known at first, or some, and more whenever one has ended and there is room."""

    first: Sequence[PackPlan]
    more: Callable[[], Sequence[PackPlan]] | None = None  # none when there are no more
    ended: Callable[[PackPlan], None] = lambda _: None  # told of each that came to its end
    at_once: int = 1  # how many of those asked for


def reason_of(said: object) -> str:
    """One sentence of what an error's traceback says: its last line, ours without the name of its class."""
    return re.sub(r"^tmc_sweep\.errors\.\w+: ", "", last_line(said) or type(said).__name__)


class Executor(Protocol):
    """Trains packs, with room for them."""

    @property
    def nodes(self) -> Sequence[Capacity]:
        """What there is to train on."""

    @property
    def measure(self) -> Measure:
        """What a pack costs there."""

    def train(self, packs: Packs, writer: Writer) -> Sequence[Reason]:
        """Train the packs, whose messages go to the writer; why some did not come to their end.

        Returns early when the sweep is being stopped. What the writer raises ends it.
        """


Open = Callable[[Resources, Mapping[str, Images], StopSignal], AbstractContextManager[Executor]]
