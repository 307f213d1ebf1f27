"""An Optuna study over a search space: it is told what became of cells, and asked which to train next.

Only the tables are kept. Each run tells them to a new study, cell by cell in the order in which the cells were chosen.
A search that goes on thus makes the suggestions that an uninterrupted one would have made. The study's journal, a file
in the private folder, is written for users to look at, as with optuna-dashboard, and never read.
"""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState, create_trial

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.search.curves import Outcome
from tmc_sweep.search.samplers import sampler
from tmc_sweep.space.domains import Domain, Range
from tmc_sweep.space.mistakes import SpaceError
from tmc_sweep.space.search_space import CASE, SearchSpace
from tmc_sweep.store import files

_TRIES = 100  # to find a cell that is new; the second half at random, should the sampler suggest known cells only
_SEEDS = 2**32  # what Optuna takes


class Study:
    """The study of one sweep: its cells that are known, and a sampler for the next."""

    def __init__(self, space: SearchSpace, paths: SweepPaths) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        for path in (paths.study, paths.study.with_name(f"{paths.study.name}.lock")):  # a killed run left its lock
            files.remove(path)
        self._space = space
        self._known: dict[str, Trial | None] = {}  # by cell_id: Optuna's trial; None once it has its outcome
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(paths.study))),
            study_name=space.name,
            direction="maximize" if space.statistic.mode == "max" else "minimize",
        )

    def __len__(self) -> int:
        """How many cells were told or suggested."""
        return len(self._known)

    def know(self, cell: TrialConfig, outcome: Outcome | None) -> None:
        """Take a cell of this space that an earlier run chose; None: it has no outcome yet."""
        picked = picks(self._space, cell) or {}
        params = {name: value for name, (value, _) in picked.items()}
        attributes = {"cell_id": cell.cell_id}
        if outcome is None:
            self._study.enqueue_trial(params, user_attrs=attributes)
            trial = self._study.ask({name: distribution for name, (_, distribution) in picked.items()})
        else:
            trial = None
            self._study.add_trial(
                create_trial(
                    **_state(outcome),
                    params=params,
                    distributions={name: distribution for name, (_, distribution) in picked.items()},
                    user_attrs=attributes,
                )
            )
        self._known[cell.cell_id] = trial

    def suggest(self) -> TrialConfig | None:
        """A cell to train that is not known yet; None if none was found in a hundred tries."""
        for attempt in range(_TRIES):
            self._study.sampler = self._sampler(attempt)
            trial = self._study.ask()
            cell = self._cell(trial)
            if cell is not None and cell.cell_id not in self._known:
                trial.set_user_attr("cell_id", cell.cell_id)
                self._known[cell.cell_id] = trial
                return cell
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def tell(self, cell: TrialConfig, outcome: Outcome) -> None:
        """Take what became of a cell that was suggested, or known without an outcome."""
        trial, self._known[cell.cell_id] = self._known[cell.cell_id], None
        if trial is None:
            return
        if outcome.stopped_at is not None and outcome.value is not None:
            trial.report(outcome.value, outcome.stopped_at)
        state = _state(outcome)["state"]
        self._study.tell(trial, outcome.value if state is TrialState.COMPLETE else None, state=state)

    def _sampler(self, attempt: int) -> BaseSampler:
        """The sampler for one suggestion, seeded so that the suggestion follows from the cells that are known."""
        seed = (self._space.search.seed * 10**6 + len(self) * _TRIES + attempt) % _SEEDS
        return sampler(self._space.search.algorithm, seed) if attempt < _TRIES // 2 else RandomSampler(seed=seed)

    def _cell(self, trial: Trial) -> TrialConfig | None:
        def pick(name: str, domain: Domain) -> Any:
            return _value(domain, _suggested(trial, name, domain))

        try:
            return self._space.cell(pick)
        except SpaceError:  # values that do not go together
            return None


def _suggested(trial: Trial, name: str, domain: Domain) -> object:
    match _distribution(domain):
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
        case IntDistribution(low=low, high=high, log=log):
            return trial.suggest_int(name, low, high, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case other:
            raise TypeError(other)


def _state(outcome: Outcome) -> dict[str, Any]:
    if outcome.value is None:
        return {"state": TrialState.FAIL}
    if outcome.stopped_at is None:
        return {"state": TrialState.COMPLETE, "value": outcome.value}
    return {"state": TrialState.PRUNED, "intermediate_values": {outcome.stopped_at: outcome.value}}


def _distribution(domain: Domain) -> BaseDistribution:
    """Optuna's distribution over exactly the values that cells may have.

    So a study that is told of cells is the same as the one that suggested them.
    """
    if not isinstance(domain, Range):
        return CategoricalDistribution(list(map(_plain, domain.values)))
    if domain.integers:
        return IntDistribution(int(domain.low), int(domain.high) - 1, log=domain.log)
    if not domain.q:
        return FloatDistribution(float(domain.low), float(domain.high), log=domain.log)
    if domain.log:
        return IntDistribution(round(domain.low / domain.q), round(domain.high / domain.q), log=True)
    return FloatDistribution(float(domain.low), float(domain.high), step=domain.q)


def _value(domain: Domain, parameter: Any) -> Any:
    if not isinstance(domain, Range):
        return next(value for value in domain.values if _plain(value) == parameter)
    return domain.nearest(parameter * domain.q if _counts_steps(domain) else parameter)


def _parameter(domain: Domain, value: Any) -> object:
    return round(value / domain.q) if isinstance(domain, Range) and _counts_steps(domain) else value


def _counts_steps(domain: Range) -> bool:
    """Whether the parameter is the number of steps: on a logarithmic scale Optuna has integers, but no steps."""
    return domain.log and domain.q is not None


def _plain(value: object) -> Any:
    """A categorical value that Optuna can store: an architecture by its name."""
    return getattr(value, "name", value)


def picks(space: SearchSpace, cell: TrialConfig) -> dict[str, tuple[object, BaseDistribution]] | None:
    """Optuna's parameters that make this cell, each with its distribution; None if the space has no such cell."""
    for case in range(len(space.cases)):
        picked: dict[str, tuple[object, BaseDistribution]] = {}

        def pick(name: str, domain: Domain, case: int = case, picked: dict[str, Any] = picked) -> Any:
            value = _parameter(domain, case if name == CASE else _plain(getattr(cell, name)))
            picked[name] = (value, _distribution(domain))
            return _value(domain, value)

        try:
            made = space.cell(pick)
        except (StopIteration, SpaceError):  # a value that the space does not have
            continue
        if made is not None and made.cell_id == cell.cell_id:
            return picked
    return None
