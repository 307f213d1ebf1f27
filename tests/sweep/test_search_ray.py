"""Searches through real Ray: cells chosen one after another, and cells that are stopped, as wholes."""

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from twin import expected, outcomes, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.trials import config_of
from tmc_sweep.sweep.runner import run

pytestmark = pytest.mark.usefixtures("nothing_left", "two_cores")

YAML = """
name: tiny
base: {objective: iwae, architecture: {latents: [12, 4]}, K: 2, train_images: 100, validation_images: 20,
       test_images: 40, batch_size: 64, epochs: EPOCHS}
space: {lr: DOMAIN}
seeds: 2
statistic: {metric: val_iwae, last: 2}
resources: {cpu: 2, gpu: 0}
"""


def space(epochs: int, domain: str, section: str) -> SearchSpace:
    return parse(f"{YAML.replace('EPOCHS', str(epochs)).replace('DOMAIN', domain)}\n{section}", "tiny.yaml")


def alike(paths: SweepPaths, images: Images) -> None:
    """Each row is what training its trial alone gives."""
    trials = [config_of(row) for row in read_trials(paths.epochs).to_dict("records")]
    frame = outcomes(table(paths.epochs))
    alone = expected(trials, images).merge(frame[["trial_id", "epoch"]])
    pd.testing.assert_frame_equal(frame, alone, check_exact=True)


def inline_gives_the_same(paths: SweepPaths, wanted: SearchSpace) -> None:
    """Ray had room for one pack at a time: then what is chosen, and stopped, depends on nothing else."""
    other = SweepPaths(paths.results.with_name("inline"), paths.name)
    run(wanted, other.results, executor="inline")
    pd.testing.assert_frame_equal(outcomes(table(other.epochs)), outcomes(table(paths.epochs)), check_exact=True)
    ends = ["trial_id", "status", "reason", "epochs_done", "pack_size"]
    pd.testing.assert_frame_equal(read_trials(other.epochs)[ends], read_trials(paths.epochs)[ends])


def test_cells_are_chosen_until_there_are_enough_and_more_when_more_are_asked_for(digits: Images, paths: SweepPaths):
    def asked(n: int) -> SearchSpace:
        return space(2, "{loguniform: [1e-4, 1e-2]}", f"search: {{algorithm: tpe, num_samples: {n}}}")

    def searched(n: int) -> pd.DataFrame:
        found = run(asked(n), paths.results)
        assert {trial.status for trial in found.trials} == {Status.DONE}
        trials = read_trials(paths.epochs)
        assert (trials["cell_id"].nunique(), len(trials), len(found.trials)) == (n, 2 * n, 2 * n)
        return trials

    before, after = searched(2), searched(3)
    pd.testing.assert_frame_equal(after[: len(before)], before)
    assert set(after["pack_size"]) == {2}
    journal = JournalStorage(JournalFileBackend(str(paths.study)))
    study = optuna.load_study(study_name="tiny", storage=journal)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    rows = table(paths.epochs)
    of_cells = rows.groupby("cell_id")["val_iwae"].mean()  # of two epochs, the statistic's
    told = {trial.user_attrs["cell_id"]: trial.value for trial in study.trials}
    assert told == pytest.approx(of_cells.to_dict())
    alike(paths, digits)
    inline_gives_the_same(paths, asked(3))


def test_cells_that_are_worse_at_a_rung_are_stopped_as_wholes_and_stay_so(digits: Images, paths: SweepPaths):
    """In the file's order each would be better than those before it; the best has the first hash."""
    wanted = space(
        12, "{grid_search: [1e-7, 1e-6, 3e-2]}", "scheduler: {algorithm: asha, grace_epochs: 3, reduction: 3, last: 1}"
    )
    for _ in range(2):
        found = run(wanted, paths.results)
        statuses = {trial.config.lr: trial.status for trial in found.trials}
        assert statuses == {3e-2: Status.DONE, 1e-6: Status.STOPPED, 1e-7: Status.STOPPED}
        trials = read_trials(paths.epochs)
        stopped = trials[trials["status"] == Status.STOPPED]
        assert len(stopped) == 4
        assert (stopped["epochs_done"] == 3).all()
        assert stopped["reason"].str.startswith("stopped by asha at epoch 3: ").all()
        assert found.summary.set_index("lr")["mean"].notna().to_dict() == {3e-2: True, 1e-6: False, 1e-7: False}
    assert (trials["attempts"] == 1).all()
    alike(paths, digits)
    inline_gives_the_same(paths, wanted)
