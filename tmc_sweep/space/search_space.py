"""A search space, and how base, cases, dimensions, conditions and exclusions multiply out to its trials.

A *point* picks a draw, a case and one value of every dimension. Where a dimension's `when` does not hold, its field
keeps the base's value or its default; of the points that differ only in what is not used, the first makes the cell.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import NamedTuple

from pydantic import ValidationError

from tmc_sweep.config import FOLLOWS, TrialConfig
from tmc_sweep.explain import explain, path_of
from tmc_sweep.space.domains import Choice, Dimension, Domain
from tmc_sweep.space.fields import Condition, Setting, Settings
from tmc_sweep.space.mistakes import Mark, each
from tmc_sweep.space.schema import Resources, Scheduler, Search, Statistic


@dataclass(frozen=True)
class Case:
    """Values that go together: one of the alternatives that multiply the grid."""

    settings: Settings
    mark: Mark


Pick = Callable[[str, Domain], Setting]  # one value of the domain, for a field or for CASE
CASE = "case"


class Point(NamedTuple):
    """One draw, case and value of every dimension, and the cell that they make."""

    draw: int
    case: Case
    cell: Settings


@dataclass(frozen=True)
class SearchSpace:
    """One validated file. Fields and values know where in the file they stand."""

    name: str
    base: Mapping[str, Setting]
    space: Mapping[str, Dimension]
    cases: tuple[Case, ...]  # at least one, which may be empty
    exclude: tuple[Condition, ...]
    seeds: Sequence[int]
    statistic: Statistic
    search: Search
    scheduler: Scheduler | None
    resources: Resources
    version: int
    text: str  # the YAML: as given, or with the overrides in it
    replaced: tuple[str, ...]  # a sentence for each override of what the file searches
    mark: Mark  # where the document begins
    metric_mark: Mark
    grace_mark: Mark

    @property
    def adaptive(self) -> bool:
        """Whether cells are chosen one after another, from what those before them came to."""
        return self.search.algorithm == "tpe"

    @property
    def chooses(self) -> bool:
        """Whether what cells come to decides which are trained, or for how long."""
        return self.adaptive or self.scheduler is not None

    @property
    def n_cells(self) -> int:
        """How many cells there are, or are to be once a search has chosen them."""
        return self.search.n_draws if self.adaptive else len(self.cells)

    def size(self) -> int:
        """At most how many trials there are; nothing is multiplied out."""
        if self.adaptive:
            return self.search.n_draws * len(self.seeds)
        grid = math.prod(dimension.n_values for dimension in self.space.values())
        return self.search.n_draws * len(self.cases) * grid * len(self.seeds)

    def trials(self) -> list[TrialConfig]:
        """Every trial: draw by draw, case by case, the first dimension slowest, the seeds fastest.

        None of an adaptive search, whose trials are not known beforehand.
        """
        return [] if self.adaptive else [trial for cell in self.cells for trial in self.trials_of(cell)]

    def trials_of(self, cell: TrialConfig) -> list[TrialConfig]:
        """The cell with each seed."""
        return [cell.model_copy(update={"seed": seed}) for seed in self.seeds]

    def cell(self, pick: Pick) -> TrialConfig | None:
        """The cell of these picks, which are asked for one after another; None if it is excluded.

        SpaceError if it cannot be trained.
        """
        cases = Choice(tuple(Setting(number, case.mark) for number, case in enumerate(self.cases)))
        case = self.cases[pick(CASE, cases).value if len(self.cases) > 1 else 0]
        cell = {**self.base, **case.settings}
        for dimension in evaluation_order(self.space):
            if dimension.applies(cell):
                cell[dimension.field] = pick(dimension.field, dimension.domain)
        return None if any(condition.holds(cell) for condition in self.exclude) else self._config(cell)

    @cached_property
    def cells(self) -> tuple[TrialConfig, ...]:
        """The distinct cells, with seed 0; SpaceError where one cannot be trained or a part of the file has no use.

        Of an adaptive search those that a random one would meet, as examples.
        """
        points = list(self._points())
        if self.search.algorithm == "grid":  # which cells a random search meets is chance
            self._check_conditions(points)
        first: dict[TrialConfig, Point] = {}

        def add(point: Point) -> None:
            if any(condition.holds(point.cell) for condition in self.exclude):
                return
            earlier = first.setdefault(self._config(point.cell), point)
            if earlier is not point and earlier.draw == point.draw:
                raise point.case.mark.error(
                    f"cases must differ, but this one and that of line {earlier.case.mark.line} make the same trial "
                    f"({_described(point.cell)}): remove one of the two"
                )

        each(add, points)
        if not first:
            raise self.exclude[0].mark.error("exclude must leave a cell, but leaves none: remove an entry")
        return tuple(first)

    def _points(self) -> Iterator[Point]:
        order = evaluation_order(self.space)
        for draw in range(self.search.n_draws):
            options = {name: dimension.options(self.search.seed, draw) for name, dimension in self.space.items()}
            for case, *values in product(self.cases, *options.values()):
                cell = {**self.base, **case.settings}
                picked = dict(zip(options, values, strict=True))
                unused = [d.field for d in order if not _assign(d, picked[d.field], cell)]
                if all(picked[name] is options[name][0] for name in unused):
                    yield Point(draw, case, cell)

    def _check_conditions(self, points: Sequence[Point]) -> None:
        whens = [("when", dimension.when) for dimension in self.space.values() if dimension.when]

        def check(entry: tuple[str, Condition]) -> None:
            section, condition = entry
            if not any(condition.holds(point.cell) for point in points):
                raise condition.mark.error(f"{section} must match a cell, but matches none: correct or remove it")

        each(check, [*whens, *(("exclude", condition) for condition in self.exclude)])

    def _config(self, cell: Settings) -> TrialConfig:
        try:
            config = TrialConfig.model_validate({name: setting.value for name, setting in cell.items()})
        except ValidationError as invalid:  # fields that do not go together
            error = invalid.errors()[0]
            field = str(path_of(error)[0])
            raise (cell[field].mark if field in cell else self.mark).error(explain(TrialConfig, error)) from None
        if self.statistic.metric.startswith("val_") and config.validation_images == 0:
            raise self.metric_mark.error(
                f"statistic.metric must be measured in every cell, but {self.statistic.metric} is not where "
                "validation_images is 0: set validation_images, or choose a test_ metric"
            )
        return config


def _assign(dimension: Dimension, value: Setting, cell: dict[str, Setting]) -> bool:
    """Set the dimension's field if the dimension applies to the cell, and whether it does."""
    if applies := dimension.applies(cell):
        cell[dimension.field] = value
    return applies


def evaluation_order(space: Mapping[str, Dimension]) -> list[Dimension]:
    """The dimensions, each after those that its `when` looks at; SpaceError where that goes round in a circle."""
    looks_at = {name: _looks_at(dimension) & space.keys() for name, dimension in space.items()}
    try:
        return [space[name] for name in TopologicalSorter(looks_at).static_order()]
    except CycleError as error:
        circle = error.args[1][::-1]
        sentence = f"when must not go round in a circle, but got {' when '.join(circle)}: remove one of them"
        raise space[circle[0]].mark.error(sentence) from None


def _looks_at(dimension: Dimension) -> set[str]:
    wanted = set(dimension.when.wanted) if dimension.when else set()
    return wanted | {FOLLOWS[name].source for name in wanted & FOLLOWS.keys()}


def _described(cell: Settings) -> str:
    return ", ".join(f"{name}={getattr(value, 'name', value)}" for name, (value, _) in cell.items())
