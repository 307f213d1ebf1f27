"""A search space, and how base, cases, dimensions, conditions and exclusions multiply out to its trials.

A *point* picks a draw, a case and one value of every dimension. Points are made in the order in which the file says
them: draw by draw, case by case, the first dimension slowest. Where a dimension's `when` does not hold, its field keeps
the value of `base` or its default, and points that differ only in such a field would be the same cell: the first of
them makes it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import Any, NamedTuple

from pydantic import ValidationError

from tmc_sweep.config import FOLLOWS, TrialConfig
from tmc_sweep.explain import explain, path_of
from tmc_sweep.records import VALIDATION_METRICS
from tmc_sweep.space.domains import Choice, Dimension, Domain
from tmc_sweep.space.fields import Condition, Settings
from tmc_sweep.space.mistakes import Mark, each
from tmc_sweep.space.schema import Resources, Scheduler, Search, Statistic
from tmc_sweep.space.source import Place, YamlNode

Pick = Callable[[str, Domain], Any]  # picks one value of a domain, for a field or for CASE
CASE = "case"  # what a search that picks calls the number of the case, which is no field


class Point(NamedTuple):
    """The numbers of a draw and a case, and the fields of the cell that they and a value of every dimension make."""

    draw: int
    case: int
    cell: Settings


@dataclass(frozen=True)
class SearchSpace:
    """One validated search space.

    Two are equal if they say the same: `text` and `positions`, which tell where in the file a value stands, do not
    count.
    """

    name: str
    base: Settings = field(hash=False)
    space: Mapping[str, Dimension] = field(hash=False)
    cases: tuple[Settings, ...] = field(hash=False)  # values that go together; at least one, which may be empty
    exclude: tuple[Condition, ...]
    seeds: Sequence[int]
    statistic: Statistic
    search: Search
    scheduler: Scheduler | None
    resources: Resources
    version: int
    text: str = field(compare=False)  # the YAML as given, or written anew with the overrides in it
    replaced: tuple[str, ...] = field(compare=False)  # a sentence for each search that an override replaced
    positions: YamlNode = field(compare=False, repr=False)

    def mark(self, *path: int | str) -> Mark:
        """Where in the file the value at a path such as ("space", "K") stands, or the last one on it that is there."""
        return self.positions.at(path).mark

    @property
    def adaptive(self) -> bool:
        """Whether cells are chosen one after another, from what came of those before them."""
        return self.search.adaptive

    @property
    def chooses(self) -> bool:
        """Whether results decide which cells are trained, or for how long: an adaptive search, or a scheduler."""
        return self.adaptive or self.scheduler is not None

    @property
    def n_cells(self) -> int:
        """How many cells there are, or will be once an adaptive search has chosen all of them."""
        return self.search.n_draws if self.adaptive else len(self.cells)

    def size(self) -> int:
        """How many trials there are at most: a product of numbers, for which no trial is made."""
        if self.adaptive:
            return self.search.n_draws * len(self.seeds)
        grid = math.prod(dimension.n_values for dimension in self.space.values())
        return self.search.n_draws * len(self.cases) * grid * len(self.seeds)

    def trials(self) -> list[TrialConfig]:
        """Every trial: draw by draw, case by case, the first dimension slowest, the seeds fastest.

        Empty for an adaptive search, whose cells are not known beforehand. Errors as `cells`.
        """
        return [] if self.adaptive else [trial for cell in self.cells for trial in self.trials_of(cell)]

    def trials_of(self, cell: TrialConfig) -> list[TrialConfig]:
        """The cell with each seed."""
        return [cell.model_copy(update={"seed": seed}) for seed in self.seeds]

    def cell(self, pick: Pick) -> TrialConfig | None:
        """The cell whose case and values `pick` picks, asked for one after another; None if it is excluded.

        A dimension whose `when` does not hold is not asked for. SpaceError if the values do not go together.
        """
        case = pick(CASE, Choice(tuple(range(len(self.cases))))) if len(self.cases) > 1 else 0
        cell, _ = self._filled(case, lambda name: pick(name, self.space[name].domain))
        return None if any(condition.holds(cell) for condition in self.exclude) else self._config(case, cell)

    @cached_property
    def cells(self) -> tuple[TrialConfig, ...]:
        """The distinct cells, as configurations with seed 0, in order.

        For an adaptive search they are examples: those that a random search would meet. SpaceError if the values of a
        cell do not go together, two cases make the same cell, a condition matches no cell, or none is left.
        """
        points = list(self._points())
        if self.search.algorithm == "grid":  # a random search may by chance meet no cell in which a condition holds
            self._check_conditions(points)
        first: dict[TrialConfig, Point] = {}

        def add(point: Point) -> None:
            if any(condition.holds(point.cell) for condition in self.exclude):
                return
            earlier = first.setdefault(self._config(point.case, point.cell), point)
            if earlier is not point and earlier.draw == point.draw:
                raise self.mark("cases", point.case).error(
                    f"cases must differ, but this one and that of line {self.mark('cases', earlier.case).line} make "
                    f"the same trial ({_described(point.cell)}): remove one of the two"
                )

        each(add, points)
        if not first:
            raise self.mark("exclude", 0).error("exclude must leave a cell, but leaves none: remove an entry")
        return tuple(first)

    @cached_property
    def _order(self) -> list[Dimension]:
        """The dimensions, each after those that its `when` names; SpaceError if that goes round in a circle."""
        looks_at = {name: _looks_at(dimension) & self.space.keys() for name, dimension in self.space.items()}
        try:
            return [self.space[name] for name in TopologicalSorter(looks_at).static_order()]
        except CycleError as error:
            circle = error.args[1][::-1]
            sentence = f"when must not go round in a circle, but got {' when '.join(circle)}: remove one of them"
            raise self.mark("space", circle[0]).error(sentence) from None

    def _points(self) -> Iterator[Point]:
        for draw in range(self.search.n_draws):
            options = {name: dimension.options(self.search.seed, draw) for name, dimension in self.space.items()}
            for case, *values in product(range(len(self.cases)), *options.values()):
                picked = dict(zip(options, values, strict=True))
                cell, unused = self._filled(case, picked.__getitem__)
                if all(picked[name] == options[name][0] for name in unused):
                    yield Point(draw, case, cell)

    def _filled(self, case: int, value: Callable[[str], Any]) -> tuple[dict[str, Any], list[str]]:
        """The cell of base, this case and a value of each dimension that applies, and the fields of the others.

        `value(field)` is called for one dimension after another, and only for those that apply.
        """
        cell, unused = {**self.base, **self.cases[case]}, []
        for dimension in self._order:
            if dimension.applies(cell):
                cell[dimension.field] = value(dimension.field)
            else:
                unused.append(dimension.field)
        return cell, unused

    def _check_conditions(self, points: Sequence[Point]) -> None:
        conditions: list[tuple[str, Place, Condition]] = [
            *(("when", ("space", name, "when"), found.when) for name, found in self.space.items() if found.when),
            *(("exclude", ("exclude", number), condition) for number, condition in enumerate(self.exclude)),
        ]

        def check(entry: tuple[str, Place, Condition]) -> None:
            section, path, condition = entry
            if not any(condition.holds(point.cell) for point in points):
                raise self.mark(*path).error(f"{section} must match a cell, but matches none: correct or remove it")

        each(check, conditions)

    def _config(self, case: int, cell: Settings) -> TrialConfig:
        try:
            config = TrialConfig.model_validate(cell)
        except ValidationError as invalid:  # fields that do not go together
            error = invalid.errors()[0]
            where = self.mark(*self._path_of(str(path_of(error)[0]), case, cell))
            raise where.error(explain(TrialConfig, error)) from None
        if self.statistic.metric in VALIDATION_METRICS and config.validation_images == 0:
            raise self.mark("statistic", "metric").error(
                f"statistic.metric must be measured in every cell, but {self.statistic.metric} is not where "
                "validation_images is 0: set validation_images, or choose a test_ metric"
            )
        return config

    def _path_of(self, name: str, case: int, cell: Settings) -> Place:
        """Where in the file a cell's value of this field stands; () if it is a default."""
        dimension = self.space.get(name)
        if dimension and dimension.applies(cell):
            return dimension.path_of(cell[name])
        if name in self.cases[case]:
            return ("cases", case, name)
        return ("base", name) if name in self.base else ()


def _looks_at(dimension: Dimension) -> set[str]:
    wanted = set(dimension.when.wanted) if dimension.when else set()
    return wanted | {FOLLOWS[name].source for name in wanted & FOLLOWS.keys()}


def _described(cell: Settings) -> str:
    return ", ".join(f"{name}={getattr(value, 'name', value)}" for name, value in cell.items())
