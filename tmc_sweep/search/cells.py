"""The cells of an adaptive search: which comes next, and what became of each.

`sweep/runner.py` calls `choosing` once per run, then `next` whenever there is room for a cell, and `ended` for each
trial whose training is over.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ENDED, EpochRecord, Status
from tmc_sweep.search.curves import Curves, Outcome
from tmc_sweep.search.early_stopping import EarlyStopping
from tmc_sweep.space import SearchSpace
from tmc_sweep.store.manifest import Decision
from tmc_sweep.store.read import read_curves
from tmc_sweep.store.recorder import OnRows, Recorder
from tmc_sweep.store.trials import TrialRow, config_of

if TYPE_CHECKING:  # it loads Optuna
    from tmc_sweep.search.study import Study

Statuses = Callable[[str], object]  # a trial's status in the trial table, by its trial_id


class CellSearch:
    """The cells of one sweep, in the order in which they were chosen."""

    def __init__(self, space: SearchSpace, study: "Study", curves: Curves, status: Statuses) -> None:
        self._space = space
        self._study = study
        self._curves = curves
        self._status = status
        self._waiting: deque[TrialConfig] = deque()

    def resume(self, known: Iterable[TrialConfig], left: Sequence[TrialConfig]) -> None:
        """Take the cells of trials that earlier runs chose; those with trials `left` are trained before new ones."""
        unfinished = {config.cell_id for config in left}
        for cell in dict.fromkeys(map(_cell, known)):
            going = cell.cell_id in unfinished
            self._study.know(cell, None if going else self._outcome(cell))
            if going:
                self._waiting.append(cell)

    @property
    def open(self) -> bool:
        """Whether there are still cells to choose."""
        return len(self._study) < self._space.n_cells

    def next(self) -> list[TrialConfig]:
        """The trials of the cell to train now, one per seed; empty if there is none left, or none new was found."""
        cell = self._waiting.popleft() if self._waiting else self._study.suggest() if self.open else None
        trials = self._space.trials_of(cell) if cell else []
        self._curves.add(trials)
        return trials

    def ended(self, trial: TrialConfig) -> None:
        """Take note that training of this trial is over; the study is told once all seeds of its cell have ended."""
        cell = _cell(trial)
        if all(status in ENDED for status in self._statuses(cell)):
            self._study.tell(cell, self._outcome(cell))

    def _statuses(self, cell: TrialConfig) -> list[object]:
        return [self._status(config.trial_id) for config in self._space.trials_of(cell)]

    def _outcome(self, cell: TrialConfig) -> Outcome:
        statuses = self._statuses(cell)
        if Status.DIVERGED in statuses or Status.FAILED in statuses:
            return Outcome(None)
        epoch = self._curves.reached(cell.cell_id)
        value = self._curves.value(cell.cell_id, epoch, self._space.statistic.last)
        return Outcome(value, epoch if Status.STOPPED in statuses else None)


def known_trials(space: SearchSpace, stored: Mapping[str, TrialRow]) -> list[TrialConfig]:
    """The trials of the space that are known before a run; `stored` has the trial table's rows.

    All of them, unless the search is adaptive: then those of the cells on record that this space could have chosen,
    with each of its seeds and as many epochs as it now asks for.
    """
    if not space.adaptive:
        return space.trials()
    from tmc_sweep.search.study import picks

    epochs = space.cells[0].epochs
    cells = (_cell(config, epochs=epochs) for row in stored.values() if (config := config_of(row)))
    return [trial for cell in dict.fromkeys(cells) if picks(space, cell) for trial in space.trials_of(cell)]


def choosing(
    space: SearchSpace,
    paths: SweepPaths,
    configs: Sequence[TrialConfig],
    left: Sequence[TrialConfig],
    recorder: Recorder,
) -> CellSearch | None:
    """Let the recorder ask the space's scheduler which cells stop; the adaptive search, if the space has one.

    `configs` are the trials known before the run, and `left` those of them that it has to train.
    """
    diverged = [name for config in configs if recorder.row(name := config.trial_id)["status"] == Status.DIVERGED]
    curves = Curves(space.statistic.metric, read_curves(paths, space.statistic.metric), diverged)
    curves.add(configs)
    stopping = EarlyStopping(space.scheduler, space.statistic, curves, recorder.decisions) if space.scheduler else None
    recorder.decide_by(following(curves, stopping))
    if not space.adaptive:
        return None
    from tmc_sweep.search.study import Study

    search = CellSearch(space, Study(space, paths), curves, lambda trial_id: recorder.row(trial_id)["status"])
    search.resume(configs, left)
    return search


def following(curves: Curves, stopping: EarlyStopping | None = None) -> OnRows:
    """The function for a recorder to call with its rows: it adds them to the curves, and lets `stopping` decide."""

    def on_rows(trial: TrialConfig, records: Sequence[EpochRecord]) -> Decision | None:
        curves.take(records)
        return stopping.decide(trial.cell_id) if stopping else None

    return on_rows


def _cell(trial: TrialConfig, **fields: object) -> TrialConfig:
    return trial.model_copy(update={"seed": 0, **fields})
