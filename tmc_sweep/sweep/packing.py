"""Which trials train together, and what their process gets: `auto` is decided from what packs cost here.

A pack's cost is measured for one member and for a few, and taken to be affine between and beyond.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine, shape
from tmc_sweep.errors import CannotRunError
from tmc_sweep.shapes import pack_key
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.capacity import Capacity, has_gpu, room
from tmc_sweep.text import last_line

Measure = Callable[[TrialConfig, int, float, Engine], Cost]  # of so many members, on this share of a GPU

_A_FEW = 3
_MARGIN = 1.1  # a larger pack must gain this much: an interruption loses the epoch of every member
_CONTEXT_BYTES = 2**29  # what CUDA takes beside torch's tensors
_FRAGMENTATION = 1.2
_WORTH_COMPILING_SECONDS = 600.0  # of eager training; compiling takes about one
_RAY_STEPS = 10_000  # Ray divides a GPU into ten-thousandths


@dataclass(frozen=True)
class PackPlan:
    """One pack, and what its process gets."""

    trials: tuple[TrialConfig, ...]
    cpu: float
    gpu: float  # below 1: a share of one GPU
    engine: Engine


class Packer:
    """Decides for one sweep on one cluster; measures only where there is something to decide."""

    def __init__(
        self, resources: Resources, nodes: Sequence[Capacity], measure: Measure, cells_apart: bool = False
    ) -> None:
        """`cells_apart`: let a pack be the seeds of one cell, which end together."""
        self._resources = resources
        self._cells_apart = cells_apart
        self._nodes = [node for node in nodes if node.get("CPU", 0) >= resources.cpu]
        self._on_gpu = bool(resources.gpu) and (resources.gpu != "auto" or any(map(has_gpu, self._nodes)))
        self._measured = cache(measure)

    def plan(self, configs: Sequence[TrialConfig], recorded: Sequence[Sequence[str]] = ()) -> list[PackPlan]:
        """The trials in packs, those `recorded` together still so, each with its share and engine."""
        asked = 1 if self._resources.alone else None if self._resources.pack == "auto" else self._resources.pack

        def size(group: Sequence[TrialConfig]) -> int:
            return asked or (len(group) if self._cells_apart else self._size(group, len(configs)))

        def key(config: TrialConfig) -> str:
            return f"{pack_key(config)} {config.cell_id}" if self._cells_apart else pack_key(config)

        return [self._plan(pack) for pack in packs(configs, size, key, recorded, asked)]

    def _size(self, group: Sequence[TrialConfig], n_trials: int) -> int:
        """The smallest size at which these trials, on their part of the slots, end nearly as early as at any."""
        if len(group) == 1 or n_trials <= self.slots(self._gpu(group[0], 1)):
            return 1

        def seconds(size: int) -> float:
            part = max(1, self.slots(self._gpu(group[0], size)) * len(group) // n_trials)
            return math.ceil(math.ceil(len(group) / size) / part) * self.cost(group[0], size).step_seconds

        makespans = [seconds(size) for size in range(1, len(group) + 1)]
        return 1 + next(i for i, makespan in enumerate(makespans) if makespan <= _MARGIN * min(makespans))

    def _plan(self, pack: tuple[TrialConfig, ...]) -> PackPlan:
        engine = self._engine(pack)
        return PackPlan(pack, self._resources.cpu, self._gpu(pack[0], len(pack), engine), engine)

    def _engine(self, pack: Sequence[TrialConfig]) -> Engine:
        if self._resources.engine != "auto":
            return self._resources.engine
        if not self._on_gpu:
            return "eager"  # compiled steps are no faster on a CPU
        eager = self.cost(pack[0], len(pack)).step_seconds
        if max(eager * config.steps_per_epoch * config.epochs for config in pack) < _WORTH_COMPILING_SECONDS:
            return "eager"
        try:
            compiled = self._measure(pack[0], len(pack), "compiled").step_seconds
        except CannotRunError:  # a GPU or a machine that torch cannot compile for
            return "eager"
        return "compiled" if compiled < eager else "eager"

    def _gpu(self, config: TrialConfig, members: int, engine: Engine = "eager") -> float:
        """The share of a GPU for a pack: of its memory, of its time or of its host's cores, whichever is largest."""
        if not self._on_gpu:
            return 0.0
        if self._resources.gpu != "auto":
            return float(self._resources.gpu)
        if self._resources.alone:
            return 1.0
        cost = self.cost(config, members) if engine == "eager" else self._measure(config, members, engine)
        of_memory = (_CONTEXT_BYTES + _FRAGMENTATION * cost.memory_bytes) / cost.device_bytes
        of_time = cost.busy_seconds / cost.step_seconds
        of_cores = self._resources.cpu * max(node["GPU"] / node["CPU"] for node in filter(has_gpu, self._nodes))
        share = max(of_memory, of_time, of_cores)
        return math.floor(_RAY_STEPS / max(1, math.floor(1 / share))) / _RAY_STEPS

    def slots(self, gpu: float) -> int:
        """How many packs can train at once."""
        return 1 if self._resources.alone else sum(room(node, self._resources.cpu, gpu) for node in self._nodes)

    def cost(self, config: TrialConfig, members: int) -> Cost:
        """Of an eager pack, measured for one member and a few."""
        one = self._measure(config, 1, "eager")
        if members == 1:
            return one
        few = self._measure(config, _A_FEW, "eager")

        def at(name: str) -> float:
            first, other = getattr(one, name), getattr(few, name)
            return float(first + max(0.0, other - first) * (members - 1) / (_A_FEW - 1))

        return Cost(
            at("step_seconds"), at("busy_seconds"), int(at("memory_bytes")), one.device_bytes, at("evaluation_seconds")
        )

    def _measure(self, config: TrialConfig, members: int, engine: Engine) -> Cost:
        """Alone on a GPU where its share is still to be decided."""
        gpu = 0.0 if not self._on_gpu else 1.0 if self._resources.gpu == "auto" else float(self._resources.gpu)
        return self._measured(shape(config), members, gpu, engine)


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
    """The trials in packs, in the order of their first members.

    Trials in one of the `recorded` packs stay together, at most `limit` of them if there is a limit. The others join
    those with an equal key, as many as `size` says of all of these.
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
