"""The wall clock is set back, by an hour before each of its readings: times are odd, and nothing else is."""

from datetime import datetime, timedelta, tzinfo
from typing import Self

import pandas as pd
import pytest
from command import command
from twin import expected, outcomes, small, sweep, table

from tmc_sweep.data import load
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.statistics.pace import recorded_paces
from tmc_sweep.statistics.processes import at_once
from tmc_sweep.store import lock, manifest, recorder
from tmc_sweep.store.checkpoint_budget import prune
from tmc_sweep.store.parts import read_part
from tmc_sweep.store.read import read_attempts, read_epochs, read_trials
from tmc_sweep.sweep.progress import Progress, TrialProgress
from tmc_sweep.training import pack

TRIALS = [small(seed=seed) for seed in range(3)]


class SetBack(datetime):
    """Of which now is an hour earlier each time."""

    read = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        cls.read += 1
        return cls(2026, 1, 1, tzinfo=tz) - timedelta(hours=cls.read)


@pytest.fixture
def set_back(paths: SweepPaths, monkeypatch: pytest.MonkeyPatch) -> SweepPaths:
    """A sweep of three trials, two in a pack, that was trained so."""
    for module in (recorder, pack, lock, manifest):
        monkeypatch.setattr(module, "datetime", SetBack)
    sweep(paths, TRIALS, load("digits"), size=2)
    return paths


def test_every_time_is_before_the_one_before_it_and_the_bits_are_the_same(set_back: SweepPaths):
    frame = table(set_back.epochs)
    assert (frame.groupby("trial_id")["time"].diff().dropna() < pd.Timedelta(0)).all()
    assert (read_attempts(set_back)["ended"] < read_attempts(set_back)["began"]).all()
    pd.testing.assert_frame_equal(outcomes(frame), expected(TRIALS, load("digits")), check_exact=True)
    assert verify(set_back).problems == ()
    assert sweep(set_back, TRIALS, load("digits"), size=2) == []


def test_no_seconds_are_negative(set_back: SweepPaths):
    frame = table(set_back.epochs)
    assert (frame[["epoch_seconds", "eval_seconds"]] >= 0).all(axis=None)
    ((_, pace),) = recorded_paces(set_back).items()
    members = frame.groupby("epoch_seconds")["trial_id"].transform("nunique")
    assert pace.seconds == pytest.approx((frame["epoch_seconds"] / members).sum())
    first = TRIALS[0]
    rows = read_part(set_back.part(0), manifest.open_manifest(set_back).sweep_id)[first.trial_id]
    longer = small(epochs=5)
    progress = Progress([TrialProgress(longer, Status.RUNNING, None)])
    records = [rows.record(epoch) for epoch in (1, 2, 3)]
    progress.update(TrialProgress(longer, Status.RUNNING, records[-1]), records)
    assert progress.snapshot().remaining_seconds == pytest.approx(2 * sum(r.epoch_seconds for r in records) / 3)
    assert set(at_once(read_trials(set_back.epochs), read_epochs(set_back.epochs)).values()) <= {1, 2}


def test_checkpoints_are_dropped_and_verbs_answer(set_back: SweepPaths):
    prune(set_back, 0.0)
    for verb in ("status", "summary", "verify", "report"):
        assert command(verb, set_back.name, "--results", set_back.results).code == 0
