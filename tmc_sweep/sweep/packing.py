"""Which trials train together, and what the process of each pack gets: `auto` is decided from what packs cost here.

A `Packer` decides in this order: which engine trains trials of one shape, how many of them make a pack, and which share
of a GPU a pack gets. It measures only what it needs for that, and each cost once.

A pack's cost is measured for one member and for a few, by the engine that will train it, and taken to be affine between
and beyond. What several processes get done that share a GPU cannot be computed: it is measured too, at the size of the
packs that would share it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine, shape
from tmc_sweep.errors import CannotRunError
from tmc_sweep.shapes import pack_key
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity, has_gpu, on_one_gpu, room
from tmc_sweep.text import last_line

# The cost of a pack of this shape, with so many members, on this share of a GPU, whose rest others use meanwhile.
Measure = Callable[[TrialConfig, int, float, Engine], Cost]

_A_FEW = 3  # members
_MARGIN = 1.1  # by which a larger pack, or sharing a GPU, must gain: an interruption loses the epoch of every member
_FRAGMENTATION = 1.2  # of torch's memory on a GPU
_WORTH_SECONDS: dict[Engine, float] = {"graph": 60.0, "compiled": 600.0}  # of eager training, to try an engine for
_PROCESSES = (2, 4, 8)  # that may share a GPU


@dataclass(frozen=True)
class PackPlan:
    """One pack, and what its process gets."""

    trials: tuple[TrialConfig, ...]
    cpu: float  # cores
    gpu: float  # a number of GPUs; below 1: a share of one
    engine: Engine


class Packer:
    """Decides how a sweep's trials are packed on these nodes; measures only where there is something to decide."""

    def __init__(
        self, resources: Resources, nodes: Sequence[Capacity], measure: Measure, cells_apart: bool = False
    ) -> None:
        """`cells_apart`: let a pack be the seeds of one cell, which end together under a search or a scheduler."""
        self._resources = resources
        self._cells_apart = cells_apart
        self._nodes = [node for node in nodes if node.get("CPU", 0) >= resources.cpu]
        self._on_gpu = bool(resources.gpu) and (resources.gpu != "auto" or any(map(has_gpu, self._nodes)))
        self._measured = cache(measure)

    def plan(self, configs: Sequence[TrialConfig], recorded: Sequence[Sequence[str]] = ()) -> list[PackPlan]:
        """The trials in packs, in their order, each with its share and engine.

        `recorded` has the packs of earlier runs, by trial_id: what trained together stays together. CannotRunError if a
        cost that is needed cannot be measured.
        """
        asked = 1 if self._resources.alone else None if self._resources.pack == "auto" else self._resources.pack
        alike: defaultdict[TrialConfig, list[TrialConfig]] = defaultdict(list)
        for config in configs:
            alike[shape(config)].append(config)
        engines = {of: self._engine(group) for of, group in alike.items()}

        def size(group: Sequence[TrialConfig]) -> int:
            all_seeds = len(group) if self._cells_apart else None
            return asked or all_seeds or self._size(group, engines[shape(group[0])], len(configs))

        def key(config: TrialConfig) -> str:
            return f"{pack_key(config)} {config.cell_id}" if self._cells_apart else pack_key(config)

        made = packs(configs, size, key, recorded, asked)
        return [self._plan(pack, engines[shape(pack[0])], len(made)) for pack in made]

    def slots(self, gpu: float) -> int:
        """How many packs can train at once, each with this share of a GPU."""
        return 1 if self._resources.alone else sum(room(node, self._resources.cpu, gpu) for node in self._nodes)

    def cost_of(self, plan: PackPlan) -> Cost:
        """What a pack costs as it is planned; measured where it is not known yet."""
        shared = self._resources.gpu == "auto" and 0 < plan.gpu < 1
        return (self._measure if shared else self._cost)(plan.trials[0], len(plan.trials), plan.gpu, plan.engine)

    def _plan(self, pack: tuple[TrialConfig, ...], engine: Engine, n_packs: int) -> PackPlan:
        return PackPlan(pack, self._resources.cpu, self._gpu(pack, engine, n_packs), engine)

    def _size(self, group: Sequence[TrialConfig], engine: Engine, n_trials: int) -> int:
        """The smallest size of packs at which these trials, on their part of the slots, end nearly first."""
        slots = self.slots(self._share)
        if len(group) == 1 or n_trials <= slots:
            return 1
        part = max(1, slots * len(group) // n_trials)

        def seconds(size: int) -> float:
            cost = self._cost(group[0], size, self._share, engine)
            fits = not self._on_gpu or _bytes(cost) <= min(1.0, self._share) * cost.device_bytes
            return math.ceil(math.ceil(len(group) / size) / part) * cost.step_seconds if fits else math.inf

        makespans = [seconds(size) for size in range(1, len(group) + 1)]
        return 1 + next(i for i, makespan in enumerate(makespans) if makespan <= _MARGIN * min(makespans))

    def _engine(self, group: Sequence[TrialConfig]) -> Engine:
        """The engine for these trials, of one shape: the fastest of those that give eager's numbers there."""
        asked = self._resources.engine
        if not self._on_gpu:  # which alone replays; and compiled steps are no faster on a CPU
            return "compiled" if asked == "compiled" else "eager"
        if asked != "auto":
            return asked
        seconds: dict[Engine, float] = {"eager": self._measure(group[0], 1, self._share, "eager").step_seconds}
        longest = max(seconds["eager"] * config.steps_per_epoch * config.epochs for config in group)
        for engine in (engine for engine, worth in _WORTH_SECONDS.items() if longest >= worth):
            with suppress(CannotRunError):  # a GPU or a machine that torch cannot capture or compile for
                cost = self._measure(group[0], 1, self._share, engine)
                seconds |= {engine: cost.step_seconds} if cost.agrees else {}
        return min(seconds, key=lambda engine: seconds[engine])

    @property
    def _share(self) -> float:
        """The share of a GPU that is asked for; a whole one if it is still to be decided, 0 if none is used."""
        if not self._on_gpu:
            return 0.0
        return 1.0 if self._resources.gpu == "auto" else float(self._resources.gpu)

    def _gpu(self, pack: Sequence[TrialConfig], engine: Engine, n_packs: int) -> float:
        """The share of a GPU for one of `n_packs` packs.

        Where `auto`, a whole one; but where packs wait for one, as many share it as were measured to get more done by
        that, tried by twice as many each time.
        """
        if self._resources.gpu != "auto" or not self._on_gpu:
            return self._share
        waiting = math.inf if self._cells_apart else n_packs / max(1, self.slots(1.0))
        best = 1
        for processes in _PROCESSES:
            if self._resources.alone or processes >= waiting + 1 or not self._hold(pack, engine, processes):
                break
            if not self._gain(pack, engine, best, processes):
                break
            best = processes
        return 1 / best

    def _gain(self, pack: Sequence[TrialConfig], engine: Engine, fewer: int, more: int) -> bool:
        """Whether `more` processes get clearly more done on a GPU than `fewer`; not if it admits one alone."""
        try:
            before, after = (
                self._measure(pack[0], len(pack), 1 / processes, engine).step_seconds / processes
                for processes in (fewer, more)
            )
        except CannotRunError:  # in compute mode exclusive
            return False
        return before >= _MARGIN * after

    def _hold(self, pack: Sequence[TrialConfig], engine: Engine, processes: int) -> bool:
        """Whether a GPU, and its host's cores, have room for so many processes with such a pack each."""
        if on_one_gpu(self._nodes, self._resources.cpu, 1 / processes) < processes:
            return False
        cost = self._measure(pack[0], len(pack), 1.0, engine)
        return math.isfinite(cost.step_seconds) and processes * _bytes(cost) <= cost.device_bytes

    def _cost(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        """The cost of a pack, from those measured for one member and for a few."""
        one = self._measure(config, 1, gpu, engine)
        if members == 1:
            return one
        few = self._measure(config, _A_FEW, gpu, engine)

        def at(name: str) -> float:
            first, other = getattr(one, name), getattr(few, name)
            return float(first + max(0.0, other - first) * (members - 1) / (_A_FEW - 1))

        return Cost(
            at("step_seconds"), at("evaluation_seconds"), int(at("memory_bytes")), one.context_bytes, one.device_bytes
        )

    def _measure(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        return self._measured(shape(config), members, gpu, engine)


def _bytes(cost: Cost) -> float:
    """Bytes of a GPU's memory that a pack's process takes; 0 on a CPU."""
    return cost.context_bytes + _FRAGMENTATION * cost.memory_bytes


def cannot_measure(members: int, error: Exception) -> CannotRunError:
    """The error of a pack whose cost cannot be measured."""
    return CannotRunError(
        f"measuring what a pack of {members} costs must work, but {last_line(error)}: "
        "set resources.pack, resources.gpu and resources.engine instead of auto"
    )


def packs(
    configs: Sequence[TrialConfig],
    size: Callable[[Sequence[TrialConfig]], int],
    key: Callable[[TrialConfig], str],
    recorded: Sequence[Sequence[str]] = (),
    limit: int | None = None,
) -> list[tuple[TrialConfig, ...]]:
    """The trials in packs, in the order of the packs' first members.

    Trials of a `recorded` pack stay together, at most `limit` of them if there is a limit. Of the others, those with an
    equal `key` are packed together; `size`, called with all of them, says how many make a pack.
    """
    order = {config.trial_id: position for position, config in enumerate(configs)}
    left = {config.trial_id: config for config in configs}
    groups = [
        chunk
        for names in recorded
        for chunk in _chunks([left.pop(name) for name in names if name in left], limit or len(names))
    ]
    alike: defaultdict[str, list[TrialConfig]] = defaultdict(list)
    for config in left.values():
        alike[key(config)].append(config)
    groups += [chunk for group in alike.values() for chunk in _chunks(group, size(group))]
    return sorted(groups, key=lambda group: order[group[0].trial_id])


def _chunks(group: Sequence[TrialConfig], size: int) -> list[tuple[TrialConfig, ...]]:
    return [tuple(group[i : i + size]) for i in range(0, len(group), size)]
