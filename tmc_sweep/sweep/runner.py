"""A sweep from its search space to its summary: what is missing, trained by an executor, recorded by one writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from tmc_sweep.commands import INSTALL_RAY
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import CannotRunError, InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.images import Images, load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.search.cells import CellSearch, choosing, known_trials
from tmc_sweep.search.early_stopping import in_turn
from tmc_sweep.shapes import try_out_own
from tmc_sweep.space import SearchSpace
from tmc_sweep.space import load as load_space
from tmc_sweep.space.schema import Resources
from tmc_sweep.statistics.pace import recorded_paces
from tmc_sweep.statistics.summary import summarize, write_summary
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.publish import Publication
from tmc_sweep.store.read import stored_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import missing
from tmc_sweep.sweep.executor import Open, Packs
from tmc_sweep.sweep.packing import Packer, PackPlan
from tmc_sweep.sweep.progress import Listener, TrialProgress
from tmc_sweep.sweep.publisher import publishing
from tmc_sweep.sweep.signals import StopSignal, stop_signal
from tmc_sweep.sweep.writer import Writer

EXECUTORS = ("ray", "inline")


@dataclass(frozen=True)
class SweepResult:
    """How a sweep stands after a run."""

    paths: SweepPaths
    trials: tuple[TrialProgress, ...]
    summary: pd.DataFrame
    behind: str | None = None  # why the published copy is not up to date

    @property
    def failed(self) -> list[TrialProgress]:
        """The trials that ended with an error."""
        return [trial for trial in self.trials if trial.status is Status.FAILED]


def run(
    space: SearchSpace | str | Path,
    results: str | Path = "results",
    listener: Listener | None = None,
    publish: str | None = None,
    executor: str = "ray",
) -> SweepResult:
    """Train what is missing of the sweep, and summarise it; `space` may be a search space's file.

    `listener` is told of each commit, from the writer's thread, until it raises an Exception, which is logged.
    `executor`: "ray" trains packs side by side, on a cluster or on this machine, "inline" one after another in this
    process, without Ray. The tables are also copied to `publish`, a folder or s3://BUCKET/PATH; where that fails the
    sweep goes on.

    Raises InputError on a bad file or bad data, CannotRunError if Ray or its resources are not there, StorageError,
    SweepBusyError if another process runs the sweep, and SweepInterruptedError after a signal; whatever was trained
    until then is in the tables, and the same call goes on from there.
    """
    space = space if isinstance(space, SearchSpace) else load_space(space)
    opened = open_executor(executor, space.resources)
    paths = SweepPaths(Path(results), space.name)
    publication = Publication(paths, publish) if publish else None
    stored = stored_trials(paths)
    configs = known_trials(space, stored)
    to_train = [*missing(configs, stored), *(space.cells[:1] if space.adaptive else [])]
    try_out_own(to_train)  # this and what follows: before anything is written
    images = _images(to_train)
    with sweep_lock(paths) as check_held, stop_signal() as stop, publishing(publication) as behind:
        open_manifest(paths, space.text)
        recorder = Recorder.open(paths, configs, space.resources.checkpoint_gigabytes)
        recorder.stop_earlier()
        rows = {config.trial_id: recorder.row(config.trial_id) for config in configs}
        left = in_turn(space, missing(configs, rows))
        images |= _images([config for config in left if config.data not in images])
        search = choosing(space, paths, configs, left, recorder) if space.chooses else None
        expected = space.n_cells * len(space.seeds)
        going = bool(left or (search and search.open))
        recorded = recorded_paces(paths) if going and listener else None
        writer = Writer(
            recorder, configs, listener, check_held, lambda: stop.number is not None, expected, recorded, stop.deferred
        )
        try:
            if going:
                _train(left, images, space, writer, stop, search, opened)
        finally:
            writer.close()
        summary = summarize(paths.epochs, space.statistic.last, space.statistic.metric)
        with stop.deferred():
            write_summary(paths, summary)
        stop.check()
    return SweepResult(paths, writer.progress.snapshot().trials, summary, behind())


def open_executor(name: str, resources: Resources) -> Open:
    """What opens the executor of this name for one run; InputError if there is none, or it cannot train so.

    CannotRunError if its package is missing.
    """
    if name not in EXECUTORS:
        fix = did_you_mean(name, EXECUTORS) or ": use one of them"
        raise InputError(f"the executor must be one of {' and '.join(EXECUTORS)}, but got {name!r:.80}{fix}")
    if name == "inline":
        if resources.alone:
            raise InputError(
                "resources.alone gives each trial a process of its own, but the executor inline trains in one: "
                "use the executor ray, or set resources.alone to false"
            )
        from tmc_sweep.sweep.inline import inline

        return inline
    if find_spec("ray") is None:
        raise CannotRunError(
            f"the executor ray needs the package ray, but it is missing: install it with {INSTALL_RAY}, "
            "or train in this process with the executor inline"
        )
    from tmc_sweep.sweep.ray_tune import on_ray

    return on_ray


def _images(configs: Sequence[TrialConfig]) -> dict[str, Images]:
    return {name: load(name) for name in dict.fromkeys(config.data for config in configs)}


def _train(
    configs: Sequence[TrialConfig],
    images: dict[str, Images],
    space: SearchSpace,
    writer: Writer,
    stop: StopSignal,
    search: CellSearch | None,
    opened: Open,
) -> None:
    with opened(space.resources, images, stop) as executor:
        writer.show()
        packer = Packer(space.resources, executor.nodes, executor.measure, cells_apart=space.chooses)
        with stop.asked():
            packs = _chosen(search, packer, writer) if search else Packs(packer.plan(configs, writer.recorder.packs))
        stop.check()
        if len(executor.nodes) == 1:  # it has all its slots at once; others may come late, or not at all
            writer.progress.slots = packer.slots(max((plan.gpu for plan in packs.first), default=0.0))
            writer.show()
        reasons = executor.train(packs, writer)
        if stop.number is None:
            for plan, reason in reasons:
                for config in plan.trials:
                    writer.fail(config.trial_id, reason)


def _chosen(search: CellSearch, packer: Packer, writer: Writer) -> Packs:
    """The packs of the search's cells, each cell chosen when there is room for it."""
    recorded = writer.recorder.packs  # of earlier runs

    def next_cell() -> list[PackPlan]:
        trials = search.next()
        writer.add(trials)
        rows = {config.trial_id: writer.recorder.row(config.trial_id) for config in trials}
        return packer.plan(missing(trials, rows), recorded)

    def ended(plan: PackPlan) -> None:
        for config in plan.trials:
            search.ended(config)

    first = next_cell()
    return Packs(first, next_cell, ended, packer.slots(first[0].gpu) if first else 1)
