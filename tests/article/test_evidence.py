"""Evidence: what tables say of each trial."""

from pathlib import Path

import invented
import numpy as np

from tmc_sweep.article.evidence import Accuracy, evidence, window
from tmc_sweep.records import Status
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.store.artefacts import EVALUATIONS, LATENTS

TEXT = "{name: some, base: {data: digits, epochs: 3}, space: {K: {grid_search: [2, 5]}, eval_k: {grid_search: [5, 9]}}}"
CURVES = {(2, 5): [-3.0, -2.0, -1.0], (2, 9): [-3.0, np.nan], (5, 5): [-3.0], (5, 9): []}


def test_trials_with_rows_count_as_their_rows_say(tmp_path: Path):
    sweep = invented.sweep(tmp_path, TEXT, lambda c: np.array(CURVES[c.K, c.eval_k]))
    sweep.trials["status"] = Status.RUNNING  # as the trial table may have it, which lags behind
    found = {(trial.fields["K"], trial.fields["eval_k"]): trial for trial in evidence(sweep)}
    assert {key: trial.last_epoch for key, trial in found.items()} == {(2, 5): 3, (2, 9): 2, (5, None): 1}
    assert [trial.status for trial in found.values()] == [Status.RUNNING, Status.DIVERGED, Status.RUNNING]
    assert found[2, 5].objective.tolist() == CURVES[2, 5]
    assert window([*found.values()], 50) == (1, 1)
    assert window([found[2, 5]], 2) == (2, 3)


def test_a_trial_that_failed_before_its_first_epoch_counts(tmp_path: Path):
    failed = {"status": Status.FAILED, "reason": "out of memory"}
    sweep = invented.sweep(tmp_path, TEXT, lambda c: np.empty(0), known=lambda c: failed if c.K == 2 else {})
    assert [(trial.status, trial.last_epoch) for trial in evidence(sweep)] == [(Status.FAILED, 0)] * 2


def test_of_artefacts_the_newest_epochs_count(tmp_path: Path):
    invented.write(tmp_path, "{name: some, base: {data: digits, epochs: 3}}", lambda c: np.full(3, -1.0))
    of = {"bound": "iwae", "standard_error": 0.1, "seconds": 1.0, "time": invented.TIME}
    values = [(1, 10, -9.0), (3, 10, -2.0), (3, 20, -1.5)]
    invented.add(
        tmp_path, "some", EVALUATIONS, lambda _: [{**of, "epoch": e, "samples": n, "value": v} for e, n, v in values]
    )
    seen = {"epoch": 3, "samples": 1, "x": 0.0, "y": 0.0, "label": 7}
    voted = [7, 7, 7, 1]
    invented.add(
        tmp_path, "some", LATENTS, lambda _: [{**seen, "image": i, "predicted": p} for i, p in enumerate(voted)]
    )
    (trial,) = evidence(SweepTables.read(tmp_path, "some"))
    assert trial.evaluations == {("iwae", 10): -2.0, ("iwae", 20): -1.5}
    assert trial.accuracy == Accuracy(0.75, 4, 3)
