"""The adaptive search without Ray: what is suggested, what is told, and that going on is as if never interrupted."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sent import begin
from test_early_stopping import epoch

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.search.cells import CellSearch, following, known_trials
from tmc_sweep.search.curves import Curves, Outcome
from tmc_sweep.search.study import Study, picks
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.messages import Report
from tmc_sweep.store.read import read_curves, stored_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import missing

HEAD = """
name: tiny
base: {validation_images: 10, train_images: 100, test_images: 10, eval_k: 5, epochs: 2}
statistic: {metric: val_iwae, last: 1, mode: MODE}
search: {algorithm: tpe, num_samples: SAMPLES, seed: SEED}
"""
EVERYTHING = """
space:
  lr: {loguniform: [1e-5, 1e-1]}
  adam_eps: {uniform: [1e-6, 1e-2]}
  K: {lograndint: [1, 50]}
  batch_size: {quniform: [16, 128, 16]}
  objective: {choice: [iwae, tmc]}
  weight_norm: {grid_search: [false, true]}
  prior: {choice: [standard, learned], when: {objective: tmc}}
  architecture: {choice: [small, {latents: [12, 4]}]}
cases: [{init: torch}, {init: glorot_uniform, proposal: factorised}]
exclude: [{objective: iwae, weight_norm: true}]
"""


def space(body: str = EVERYTHING, samples: int = 30, mode: str = "max", seed: int = 4) -> SearchSpace:
    head = HEAD.replace("SAMPLES", str(samples)).replace("MODE", mode).replace("SEED", str(seed))
    return parse(head + body, "tiny.yaml")


def height(cell: TrialConfig) -> float:
    """A bound with its top at lr 1e-3, K 10, tmc."""
    return -abs(math.log10(cell.lr) + 3) - abs(math.log10(cell.K) - 1) - (cell.objective != "tmc")


@pytest.fixture
def study(paths: SweepPaths) -> Callable[[SearchSpace], Study]:
    def make(of: SearchSpace) -> Study:
        with sweep_lock(paths):
            return Study(of, paths)

    return make


def searched(study: Study, n: int, outcome: Callable[[TrialConfig], Outcome | None]) -> list[TrialConfig]:
    cells = []
    for _ in range(n):
        cell = study.suggest()
        assert cell
        cells.append(cell)
        if told := outcome(cell):
            study.tell(cell, told)
    return cells


def by_height(cell: TrialConfig) -> Outcome:
    return Outcome(height(cell))


def test_every_domain_condition_case_and_exclusion_is_kept_to(study):
    cells = searched(study(space()), 40, by_height)
    for cell in cells:
        assert 1e-5 <= cell.lr <= 1e-1
        assert 1 <= cell.K < 50
        assert cell.batch_size in range(16, 129, 16)
        assert (cell.objective, cell.weight_norm) != ("iwae", True)
        assert cell.prior == "standard" or cell.objective == "tmc"
        assert (cell.init, cell.proposal) in [("torch", "nonfactorised"), ("glorot_uniform", "factorised")]
        assert cell.eval_k == 5
    for name in ("objective", "weight_norm", "prior", "architecture", "init", "batch_size"):
        assert len({getattr(cell, name) for cell in cells}) > 1, name
    assert len({cell.cell_id for cell in cells}) == 40


def test_what_was_good_is_looked_at_more_closely(study):
    body = "space: {lr: {loguniform: [1e-7, 1e-1]}}"
    for mode, sign in (("max", 1), ("min", -1)):
        at_random: list[float] = []
        later: list[float] = []
        for seed in range(4):
            of = space(body, mode=mode, seed=seed)
            cells = searched(study(of), 40, lambda cell, sign=sign: Outcome(sign * height(cell)))
            far = [abs(math.log10(cell.lr) + 3) for cell in cells]
            at_random += far[:10]
            later += far[20:]
        assert median(later) < 0.5 * median(at_random)


@pytest.mark.parametrize("body", [EVERYTHING, "space: {lr: {qloguniform: [1e-4, 1e-1, 1e-4]}}"])
def test_a_search_that_goes_on_suggests_what_one_never_interrupted_does(study, body: str):
    def outcome(cell: TrialConfig) -> Outcome | None:
        if cell.lr > 0.03:
            return Outcome(None)  # diverged
        return Outcome(height(cell), 1 if cell.K < 3 else None)

    whole = searched(study(space(body)), 30, outcome)
    again = study(space(body))
    for cell in whole[:22]:
        again.know(cell, outcome(cell))
    assert searched(again, 8, outcome) == whole[22:]


def test_a_cell_without_an_outcome_is_known_and_may_be_told_later(study):
    first = searched(study(space()), 12, by_height)
    again = study(space())
    for cell in first[:11]:
        again.know(cell, by_height(cell))
    again.know(first[11], None)
    suggested = again.suggest()
    assert suggested not in first
    again.tell(first[11], by_height(first[11]))
    again.tell(suggested, by_height(suggested))
    assert len(again) == 13


def test_no_cell_comes_twice_and_a_space_that_is_through_ends_the_search(study):
    few = study(space("space: {K: {grid_search: [1, 5, 20]}, objective: {choice: [iwae, tmc]}}"))
    cells = searched(few, 6, by_height)
    assert len({cell.cell_id for cell in cells}) == 6
    assert few.suggest() is None


def test_other_seeds_suggest_other_cells(study):
    of = space()
    other = parse(of.text.replace("seed: 4", "seed: 5"), "tiny.yaml")
    assert not {*searched(study(of), 5, by_height)} & {*searched(study(other), 5, by_height)}


def test_a_cell_of_another_space_is_not_one_of_this(study):
    (cell,) = searched(study(space()), 1, by_height)
    assert picks(space(), cell)
    for other in ({"lr": 1.0}, {"K": 50}, {"batch_size": 17}, {"data": "mnist"}, {"adam_eps": 0.5}):
        assert picks(space(), cell.model_copy(update=other)) is None


def test_the_journal_is_one_that_optuna_reads(study, paths: SweepPaths):
    done = study(space())
    a, b, c, d = searched(done, 4, lambda _: None)
    done.tell(a, Outcome(-1.5))
    done.tell(b, Outcome(-2.5, stopped_at=3))
    done.tell(c, Outcome(None))
    stored = optuna.load_study(study_name="tiny", storage=JournalStorage(JournalFileBackend(str(paths.study))))
    trials = [trial for trial in stored.trials if trial.user_attrs]  # less those that were excluded
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]
    assert [trial.state for trial in trials] == states
    assert [trial.user_attrs["cell_id"] for trial in trials] == [cell.cell_id for cell in (a, b, c, d)]
    assert (stored.best_value, trials[1].intermediate_values) == (-1.5, {3: -2.5})
    assert trials[0].params["lr"] == a.lr


class Run:
    """One run of the command, less Ray: a cell at a time, each of its seeds reports and ends."""

    def __init__(self, paths: SweepPaths, of: SearchSpace, diverges: bool = False) -> None:
        self.diverges = diverges
        self.recorder = Recorder.open(paths, known_trials(of, stored_trials(paths)))
        known = known_trials(of, stored_trials(paths))
        curves = Curves("val_iwae", read_curves(paths, "val_iwae"))
        curves.add(known)
        self.recorder.decide_by(following(curves))
        status: Callable[[str], object] = lambda name: self.recorder.row(name)["status"]  # noqa: E731
        self.search = CellSearch(of, Study(of, paths), curves, status)
        left = missing(known, {config.trial_id: self.recorder.row(config.trial_id) for config in known})
        self.search.resume(known, left)

    def train(self, n: int) -> list[str]:
        """Cells, until so many or none is left; their ids."""
        trained = []
        while len(trained) < n and (trials := self.search.next()):
            self.recorder.add(trials)
            for config in trials:
                self._report(config)
                self.search.ended(config)
            trained.append(trials[0].cell_id)
        return trained

    def begin(self) -> str:
        """A cell whose first seed alone has come to its first epoch."""
        trials = self.search.next()
        self.recorder.add(trials)
        self.recorder.receive(begin(trials[0], pack=trials))
        self.recorder.receive(Report(trials[0].trial_id, 1, (epoch(trials[0], 1, height(trials[0])),)))
        self.recorder.commit()
        return trials[0].cell_id

    def _report(self, config: TrialConfig) -> None:
        attempt = self.recorder.receive(begin(config)).attempt
        value = math.nan if (self.diverges and config.seed) else height(config) + config.seed
        rows = tuple(epoch(config, number, value) for number in (1, 2))
        self.recorder.receive(Report(config.trial_id, attempt, rows))
        self.recorder.commit()


def test_a_killed_sweep_goes_on_with_its_cell_and_then_as_if_it_had_not_been(tmp_path: Path):
    def at(name: str) -> SweepPaths:
        return SweepPaths(tmp_path / name, "tiny")

    of = parse(space(samples=14).text.replace("name: tiny", "name: tiny\nseeds: 2"), "tiny.yaml")
    with sweep_lock(at("whole")):
        whole = Run(at("whole"), of).train(99)
    assert len(whole) == 14
    with sweep_lock(at("killed")):
        killed = Run(at("killed"), of)
        assert killed.train(11) == whole[:11]
        assert killed.begin() == whole[11]
        assert Run(at("killed"), of).train(99) == whole[11:]
        assert Run(at("killed"), of).train(99) == []
        more = parse(of.text.replace("num_samples: 14", "num_samples: 16"), "tiny.yaml")
        assert len(Run(at("killed"), more).train(99)) == 2


def test_a_search_is_told_the_mean_of_the_seeds_over_the_statistics_epochs(paths: SweepPaths):
    of = parse(space(samples=1).text.replace("name: tiny", "name: tiny\nseeds: 2"), "tiny.yaml")
    with sweep_lock(paths):
        run = Run(paths, of)
        run.train(1)
    stored = optuna.load_study(study_name="tiny", storage=JournalStorage(JournalFileBackend(str(paths.study))))
    (config, _) = run.search._space.trials_of(run.search._curves.cells.popitem()[1][0])
    assert stored.best_value == pytest.approx(height(config) + 0.5)


def test_a_cell_with_a_seed_that_diverged_has_failed(paths: SweepPaths):
    of = parse(space(samples=2).text.replace("name: tiny", "name: tiny\nseeds: 2"), "tiny.yaml")
    with sweep_lock(paths):
        Run(paths, of, diverges=True).train(1)
        Run(paths, of).train(1)
    stored = optuna.load_study(study_name="tiny", storage=JournalStorage(JournalFileBackend(str(paths.study))))
    assert [trial.state for trial in stored.trials if trial.user_attrs] == [TrialState.FAIL, TrialState.COMPLETE]
