"""Domains: which values a field takes in a search, a grid or a distribution that is drawn from.

In a file they stand under `space` and are named after Ray Tune's functions: `K: {grid_search: [1, 5]}`,
`lr: {loguniform: [1e-4, 1e-2]}`. `dimension` reads one such entry. A bare value is a grid of one.

A draw is a pure function of (search seed, number of the draw, field): more draws, or draws of more fields, leave those
that were made before as they are.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from tmc_sweep.config import Architecture, TrialConfig
from tmc_sweep.explain import rule_of
from tmc_sweep.space.fields import (
    DOMAIN_KINDS,
    RANGES,
    Condition,
    Settings,
    check_keys,
    check_ours,
    condition,
    setting,
)
from tmc_sweep.space.mistakes import Mark, Mistakes, each
from tmc_sweep.space.source import Place, YamlNode, shown

Number = int | float

_LARGEST = 2**53  # the integers up to here are exact as floats
_MAX_STEPS = 10**9  # of a range with a step


@dataclass(frozen=True)
class Grid:
    """Each of these values in turn, crossed with the other dimensions. A constant is a grid of one."""

    kind: ClassVar = "grid_search"
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Choice:
    """One of these values in each draw, all equally likely."""

    kind: ClassVar = "choice"
    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value that a uniform number u in [0, 1) stands for."""
        return self.values[int(u * len(self.values))]


@dataclass(frozen=True)
class Range:
    """A number from low to high in each draw, uniform in itself or in its logarithm.

    As in Ray Tune, integers are below `high`, and numbers with a step `q` are multiples of it, both ends included.
    """

    kind: str  # a key of RANGES, such as "loguniform"
    low: Number
    high: Number
    q: Number | None = None

    @property
    def log(self) -> bool:
        """Whether the logarithm is uniform, and not the number itself."""
        return RANGES[self.kind].log

    @property
    def integers(self) -> bool:
        """Whether the numbers are integers."""
        return RANGES[self.kind].integers

    def at(self, u: float) -> Number:
        """The number that a uniform u in [0, 1) stands for: the distribution's quantile, rounded to the step."""
        return self.nearest(
            self.low * (self.high / self.low) ** u if self.log else self.low + u * (self.high - self.low)
        )

    def nearest(self, x: Number) -> Number:
        """The number of this range nearest to x, which lies between low and high; of integers the one below."""
        if self.integers:
            return self._within(math.floor(x), self.high - 1)
        if self.q is None:
            return self._within(x, self.high)
        multiple = round(x / self.q) * self.q
        return self._within(multiple if isinstance(multiple, int) else float(f"{multiple:.12g}"), self.high)

    def _within(self, x: Number, highest: Number) -> Number:
        return min(max(x, self.low), highest)  # rounding to a step may have left the range


Domain = Grid | Choice | Range


@dataclass(frozen=True)
class Dimension:
    """One field's domain, and the cells in which it is searched: all, or those in which `when` holds."""

    field: str
    domain: Domain
    when: Condition | None = None

    def applies(self, cell: Settings) -> bool:
        """Whether this dimension is searched in a cell, of which the fields that `when` names are known."""
        return self.when is None or self.when.holds(cell)

    @property
    def n_values(self) -> int:
        """How many values each draw crosses with the other dimensions: all of a grid, one of what is drawn."""
        return len(self.domain.values) if isinstance(self.domain, Grid) else 1

    def path_of(self, value: object) -> Place:
        """Where in the file a value of the domain stands; of a range, the range itself."""
        index = () if isinstance(self.domain, Range) else (self.domain.values.index(value),)
        return ("space", self.field, self.domain.kind, *index)

    def options(self, seed: int, draw: int) -> tuple[Any, ...]:
        """The values in the draw of this number: all of a grid, one of anything else."""
        if isinstance(self.domain, Grid):
            return self.domain.values
        return (self.domain.at(_uniform(seed, draw, self.field)),)


def _uniform(seed: int, draw: int, field: str) -> float:
    """A number in [0, 1) with 53 random bits, from a hash: the same on every machine and in every version."""
    digest = hashlib.sha256(f"{seed} {draw} {field}".encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def dimension(field: str, node: YamlNode) -> Dimension:
    """The dimension that the node of a field under `space` describes; SpaceError, or several as one, if none."""
    if not isinstance(node.value, dict) or node.value.keys() & Architecture.model_fields.keys():
        return Dimension(field, Grid((setting(field, node),)))
    check_ours(field, node)
    widths = Architecture.model_fields if field == "architecture" else ()
    kinds = [kind for kind in DOMAIN_KINDS if kind in node.value]
    with Mistakes() as mistakes:
        with mistakes.apart():
            when = condition(node.value["when"], "when") if "when" in node.value else None
        check_keys(node, (*DOMAIN_KINDS, "when", *widths))
        if len(kinds) != 1:
            got = " and ".join(kinds) or "none"
            raise node.mark.error(
                f"{field} must have one domain, but got {got}: choose one of {', '.join(DOMAIN_KINDS)}"
            )
        domain = _domain(field, kinds[0], node.value[kinds[0]])
    return Dimension(field, domain, when)


def _domain(field: str, kind: str, node: YamlNode) -> Domain:
    if kind == "grid_search":
        return Grid(_values(field, kind, node))
    if kind == "choice":
        return Choice(_values(field, kind, node))
    return _range(field, kind, node)


def _values(field: str, kind: str, node: YamlNode) -> tuple[Any, ...]:
    marks: dict[object, Mark] = {}

    def add(item: YamlNode) -> None:
        value = setting(field, item)
        if value in marks:
            raise item.mark.error(
                f"{field}'s values must differ, but {shown(item)} equals the one at line {marks[value].line}, "
                f"column {marks[value].column}: remove one of the two"
            )
        marks[value] = item.mark

    each(add, node.sequence(f"{field}'s {kind}", "[value, value]"))
    if not marks:
        raise node.mark.error(f"{field}'s {kind} must list its values, but got []: write one at least")
    return tuple(marks)


def _range(field: str, kind: str, node: YamlNode) -> Range:
    log, integers, quantised = RANGES[kind]
    names = ("low", "high", "q") if quantised else ("low", "high")
    shape = f"[{', '.join(names)}]"
    items = node.sequence(f"{field}'s {kind}", shape)
    if len(items) != len(names):
        raise node.mark.error(f"{field}'s {kind} must be {shape}, but got {shown(node)}: write {len(names)} numbers")
    low, high, *steps = each(lambda item: _number(field, kind, item, integers), items)
    if not low < high:
        raise items[1].mark.error(f"{field}'s {kind} must go up, but got {shown(node)}: make low less than high")
    if log and low <= 0:
        raise items[0].mark.error(f"{field}'s {kind} must be above 0, but got {low}: raise low")
    whole = integers or (quantised and all(isinstance(number, int) for number in (low, high, *steps)))
    info = TrialConfig.model_fields[field]
    if info.annotation is int and not whole:
        fix = "write whole numbers" if quantised else "use randint, lograndint or quniform"
        raise node.mark.error(f"{field} must be {rule_of(info)}, but {kind} draws other numbers: {fix}")
    ends = zip(items, (low, high - 1 if integers else high), strict=False)
    each(lambda end: setting(field, YamlNode(end[0].mark, end[1])), ends)
    if steps:
        _check_step(field, kind, low, high, steps[0], items[2])
    return Range(kind, low, high, *steps)


def _number(field: str, kind: str, node: YamlNode, integers: bool) -> Number:
    value = node.value
    if (type(value) is int or (type(value) is float and not integers)) and abs(value) <= _LARGEST:
        return value
    wanted = "integers" if integers else "numbers"
    raise node.mark.error(f"{field}'s {kind} must have {wanted} up to 2**53, but got {shown(node)}: write one")


def _check_step(field: str, kind: str, low: Number, high: Number, q: Number, node: YamlNode) -> None:
    if not (high - low) / _MAX_STEPS <= q <= high - low:
        raise node.mark.error(f"{field}'s {kind} must have 1 to 10**9 steps, but got q {q}: change it")
    if any(not math.isclose(end / q, round(end / q), abs_tol=1e-9) for end in (low, high)):
        raise node.mark.error(
            f"{field}'s {kind} must go from a multiple of q to another, but got q {q}: change one of them"
        )
