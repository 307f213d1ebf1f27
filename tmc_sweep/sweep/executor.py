"""The interface of an executor, which trains packs: `RayTune` in processes of Ray, `Inline` in this one.

Whoever trains them, the same writer records them, so tables and checkpoints are alike, and either executor goes on
where the other stopped.
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

Reason = tuple[PackPlan, str]  # a pack that did not come to its end, and a sentence that says why


@dataclass(frozen=True)
class Packs:
    """The packs of one run: all of them, or the first ones of an adaptive search, which gives more when asked."""

    first: Sequence[PackPlan]
    more: Callable[[], Sequence[PackPlan]] | None = None  # called when there is room; gives [] when there are no more
    ended: Callable[[PackPlan], None] = lambda _: None  # called with each pack that came to its end
    at_once: int = 1  # how many packs to train at once where more are asked for


def reason_of(said: object) -> str:
    """One sentence of an error or its traceback: the last line, of our own errors without the name of their class."""
    return re.sub(r"^tmc_sweep\.errors\.\w+: ", "", last_line(said) or type(said).__name__)


class Executor(Protocol):
    """Who trains packs, for the time of one run; made by an `Open`."""

    @property
    def nodes(self) -> Sequence[Capacity]:
        """The machines that there are to train on."""

    @property
    def measure(self) -> Measure:
        """The function that measures what a pack costs on them."""

    def train(self, packs: Packs, writer: Writer) -> Sequence[Reason]:
        """Train the packs, with their messages going to the writer; those that did not come to their end, and why.

        Returns early when the sweep is being stopped. What the writer raises is raised here.
        """


# Opens an executor for a run, and closes it afterwards. It is handed the data sets' images by name.
Open = Callable[[Resources, Mapping[str, Images], StopSignal], AbstractContextManager[Executor]]
