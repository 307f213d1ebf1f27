"""What `run` would do with trials, for `plan`: how it would pack them, and what is known of their cost. No Ray."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine, Means, remembered, shape, threads_of
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.schema import Resources
from tmc_sweep.store.trials import TrialRow, config_of
from tmc_sweep.sweep.capacity import Capacity, on_one_gpu
from tmc_sweep.sweep.packing import Packer, PackPlan

_NO_LIMIT = 2**62  # bytes


@dataclass(frozen=True)
class Forecast:
    """The packs of what is left to train, as far as they can be known beforehand. Cells go by their cell_id."""

    packs: tuple[PackPlan, ...]
    packs_known: bool  # if not, `run` will first measure what packing gains, and may make fewer packs
    slots: int  # how many packs train at once
    epoch_seconds: Mapping[str, float]  # by cell: of a trial's epoch, from a few steps measured on this machine
    too_large: frozenset[str]  # cells whose packs do not fit into this machine's memory
    gpu: Mapping[str, float]  # by cell, where it is known: the share of a GPU that a pack gets


def forecast(
    space: SearchSpace,
    configs: Sequence[TrialConfig],
    rows: Mapping[str, TrialRow],
    recorded: Sequence[Sequence[str]],
    nodes: Sequence[Capacity],
    *,
    here: bool,
    probe: bool = False,
) -> Forecast:
    """What `run` would do with these trials on these nodes.

    `rows` are those of the trial table, by trial_id, and `recorded` the packs of earlier runs. `here` says that the
    only node is this machine, so that costs measured on it count; with `probe` those that are missing are measured.
    """
    resources, shares = space.resources, _shares(rows)
    known = _Known(resources, shares, nodes, here=here, probe=probe)
    packer = Packer(resources, nodes, known, cells_apart=space.chooses)
    packs = packer.plan(configs, recorded)
    guessed = set(known.guessed)
    seconds: dict[str, float] = {}
    too_large: set[str] = set()
    for pack in packs:
        cost = packer.cost_of(pack)
        for config in pack.trials:
            if math.isinf(cost.step_seconds):
                too_large.add(config.cell_id)
            elif shape(config) not in known.guessed:
                seconds[config.cell_id] = cost.epoch_seconds(config) / len(pack.trials)
    gpu = {
        config.cell_id: pack.gpu
        for pack in packs
        for config in pack.trials
        if resources.gpu != "auto" or shape(config) not in guessed or shape(config) in shares
    }
    slots = packer.slots(max((pack.gpu for pack in packs), default=0.0))
    packs_known = resources.alone or resources.pack != "auto" or space.chooses or not guessed
    return Forecast(tuple(packs), packs_known, max(1, slots), seconds, frozenset(too_large), gpu)


class _Known:
    """A `Measure` of what is known: a cost measured on this machine, or else a guess by which packing gains nothing."""

    def __init__(
        self,
        resources: Resources,
        shares: Mapping[TrialConfig, float],
        nodes: Sequence[Capacity],
        *,
        here: bool,
        probe: bool,
    ) -> None:
        self._resources = resources
        self._shares = shares
        self._nodes = nodes
        self._here = here
        self._probe = probe
        self.guessed: set[TrialConfig] = set()  # the shapes whose cost was guessed

    def __call__(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        if self._here and (known := self._measured(config, members, gpu, engine)):
            return known
        self.guessed.add(config)
        had = gpu >= self._shares.get(config, 1.0)  # less than it once had gains nothing
        return Cost(members * (1.0 if had or not gpu else 1 / gpu), members, 0, 0, _NO_LIMIT)

    def _measured(self, config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost | None:
        resources = self._resources
        at_once = on_one_gpu(self._nodes, resources.cpu, gpu)
        if self._probe:
            from tmc_sweep.sweep.worker import measured_cost, settings_kept  # they load torch

            with settings_kept():
                return measured_cost(config, members, gpu, engine, resources, at_once)
        device, tf32 = ("cuda", resources.tf32) if gpu else ("cpu", False)
        return remembered(config, members, Means(device, engine, threads_of(resources.cpu), tf32, at_once))


def _shares(rows: Mapping[str, TrialRow]) -> dict[TrialConfig, float]:
    """The share of a GPU that trials last had, by their shape."""
    had = [(config_of(row), row["gpu"]) for row in rows.values()]
    return {shape(config): gpu for config, gpu in had if config and gpu}
