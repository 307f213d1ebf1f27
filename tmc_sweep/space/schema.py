"""The sections of a search space other than those that hold fields of a trial, as pydantic models.

`Header` is the file's top level: it reads `statistic`, `search`, `scheduler` and `resources` whole, and leaves `base`,
`space`, `cases`, `exclude` and `seeds` to `load`, which reads them one value at a time. docs/search-space.md explains
each section to users.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic.config import JsonDict

from tmc_sweep.config import MAX_EPOCHS
from tmc_sweep.explain import OneOf, broken
from tmc_sweep.paths import NAME_RULE
from tmc_sweep.records import METRICS
from tmc_sweep.registry import SAMPLERS, STOPPING_RULES, is_own


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _such_as(example: str) -> JsonDict:
    return {"rule": f"a mapping such as {example}"}


class Statistic(_Section):
    """What is reported for a cell: the metric's mean over its last epochs, and which way is better."""

    metric: Annotated[str, OneOf(METRICS)] = "test_objective"
    last: int = Field(50, ge=1, le=MAX_EPOCHS)  # epochs
    mode: Literal["max", "min"] = "max"


class Search(_Section):
    """How cells are chosen.

    `grid`: every point of the grid. `random`: the grid crossed with `num_samples` random draws. Any other algorithm is
    adaptive: it chooses `num_samples` cells one after another, from what came of those before.
    """

    algorithm: Annotated[str, SAMPLERS.known] = "grid"
    num_samples: int | None = Field(None, ge=1, le=10**9)
    seed: int = Field(0, ge=0, le=2**63 - 1)

    @property
    def adaptive(self) -> bool:
        """Whether cells are chosen one after another, as a sampler of Optuna or of one's own does."""
        return is_own(self.algorithm) or SAMPLERS[self.algorithm] != ""

    @property
    def n_draws(self) -> int:
        """How many draws there are: how often the grid is gone through, or how many cells a search chooses."""
        return self.num_samples or 1


class Scheduler(_Section):
    """Which cells are stopped early: the stopping rule, and the options that every rule is given."""

    algorithm: Annotated[str, STOPPING_RULES.known] = "asha"
    last: int = Field(5, ge=1, le=MAX_EPOCHS)  # epochs whose mean is a cell's value
    grace_epochs: int = Field(10, ge=1, le=MAX_EPOCHS)  # no cell is stopped before
    reduction: int = Field(2, ge=2)  # of ASHA: one of so many cells goes on


_MOST_GPUS = 1_000_000


def _gpus(value: object) -> object:
    if value == "auto" or (isinstance(value, int | float) and not isinstance(value, bool) and _is_amount(value)):
        return value
    raise broken(
        f"resources.gpu must be auto, a share from 0 to 1 or a whole number up to {_MOST_GPUS}, but got "
        f"{value!r:.80}: write one of these"
    )


def _is_amount(number: float) -> bool:
    return 0 <= number <= 1 or (1 < number <= _MOST_GPUS and number == number // 1)


def _members(value: object) -> object:
    if value == "auto" or (type(value) is int and value >= 1):
        return value
    raise broken(f"resources.pack must be auto or a positive integer, but got {value!r:.80}: write one of these")


class Resources(_Section):
    """What the process that trains a pack gets, and how it trains; `auto` is decided on the machine by measuring."""

    cpu: float = Field(1.0, gt=0, json_schema_extra={"of": "cores"})  # also its torch threads
    gpu: Annotated[Literal["auto"] | int | float, PlainValidator(_gpus)] = "auto"  # below 1: a share of one GPU
    pack: Annotated[Literal["auto"] | int, PlainValidator(_members)] = "auto"  # trials trained together
    alone: bool = False  # one trial at a time, each a fresh process
    engine: Literal["auto", "eager", "graph", "compiled"] = "auto"
    tf32: bool = False
    checkpoint_seconds: float = Field(60.0, ge=0, json_schema_extra={"of": "seconds"})
    checkpoint_gigabytes: float = Field(20.0, ge=0, json_schema_extra={"of": "gigabytes"})


class Header(_Section):
    """The file's top level. Sections that hold fields of a trial are `Any` here, and read by `load`."""

    version: int = Field(1, ge=1, le=1)
    name: str = Field(json_schema_extra={"rule": NAME_RULE, "hint": "quoted where it reads as a number or true"})
    base: Any = None
    space: Any = None
    cases: Any = None
    exclude: Any = None
    seeds: Any = None
    statistic: Statistic = Field(Statistic(), json_schema_extra=_such_as("{metric: test_objective, last: 50}"))
    search: Search = Field(Search(), json_schema_extra=_such_as("{algorithm: random, num_samples: 40}"))
    scheduler: Scheduler | None = Field(None, json_schema_extra=_such_as("{algorithm: asha, grace_epochs: 10}"))
    resources: Resources = Field(Resources(), json_schema_extra=_such_as("{cpu: 1, gpu: auto}"))


SECTIONS: dict[str, type[BaseModel]] = {
    "statistic": Statistic,
    "search": Search,
    "scheduler": Scheduler,
    "resources": Resources,
}
