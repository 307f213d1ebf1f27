"""What epochs took, and what those that are left should take, on figures worked by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.pace import Paces, estimate, lasted, recorded_paces
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest, write_manifest


def paces(**seconds: Sequence[float]) -> Paces:
    found = Paces()
    for cell, values in seconds.items():
        for value in values:
            found[cell].add(value)
    return found


@pytest.mark.parametrize(
    ("slots", "wall"),
    [(1, 60.0), (2, 40.0), (3, 30.0), (4, 30.0), (5, 20.0), (99, 20.0), (0, 60.0)],
)
def test_jobs_take_their_turns_on_the_slots(slots: int, wall: float):
    jobs = [[("a", 5)], [("a", 5)], [("b", 10)], [("b", 10)], [("a", 5), ("b", 10)]]
    found = estimate(jobs, paces(a=[2.0], b=[1.0]), slots)
    assert found.seconds == 60
    assert found.wall_seconds == wall


def test_the_factor_is_that_of_single_epochs_within_their_cells():
    a, b = [1.0, 2.0, 3.0, 6.0], [50.0, 70.0]
    spread = np.sqrt((np.var(np.log(a)) * 4 + np.var(np.log(b)) * 2) / 4)
    assert paces(a=a, b=b, c=[9.0]).factor == pytest.approx(np.exp(stats.t.ppf(0.975, 4) * spread))
    assert paces(a=[2.0, 2.0]).factor == pytest.approx(1)
    assert paces(a=[1.0], b=[3.0]).factor is None
    assert paces(a=[0.0, 0.0]).factor == pytest.approx(1)


def test_a_cell_not_measured_is_taken_to_be_as_the_others_and_said():
    found = estimate([[("a", 10)], [("c", 5)]], paces(a=[1.0, 1.0, 1.0], b=[5.0]), 1)
    assert (found.seconds, found.unmeasured_epochs) == (10 + 5 * 2, 5)
    assert estimate([[("a", 10)]], Paces(), 1) is None


def test_a_cell_on_record_takes_as_long_as_there_and_another_as_its_few_steps():
    probed = {"a": 7.0, "b": 5.0}
    assert estimate([[("a", 10)], [("b", 2)], [("c", 3)]], paces(a=[1.0]), 1, probed) == (10 + 2 * 5 + 3 * 1, 23, 3)
    assert estimate([[("b", 2)], [("c", 3)]], Paces(), 1, {"b": 5.0, "d": 1.0}) == (2 * 5 + 3 * 3, 19, 3)


def test_nothing_left_takes_no_time():
    assert estimate([[("a", 0)], []], Paces(), 2) == (0, 0, 0)


def stored(paths: SweepPaths, packs: Sequence[Sequence[TrialConfig]], rows, seconds: dict[int, list[float]]) -> None:
    manifest = open_manifest(paths)
    write_manifest(paths, replace(manifest, packs=tuple(tuple(c.trial_id for c in pack) for pack in packs)))
    table = EpochTable.open(paths)
    for config in (config for pack in packs for config in pack):
        values = seconds[config.seed]
        records = rows(config, [-1.0] * len(values))
        table.add(config, [replace(r, epoch_seconds=s) for r, s in zip(records, values, strict=True)])
    table.commit()


def test_epochs_of_a_pack_count_by_their_members_as_long_as_those_are_there(paths: SweepPaths, rows):
    first, second, alone = (TrialConfig(seed=seed, epochs=9) for seed in range(3))
    stored(paths, [[first, second], [alone]], rows, {0: [4.0, 6.0, 3.5], 1: [4.0, 6.0], 2: [4.0]})
    pace = recorded_paces(paths)[first.cell_id]
    shares = [2, 3, 3.5, 2, 3, 4]
    assert (pace.epochs, pace.seconds) == (6, sum(shares))
    assert recorded_paces(paths).factor == pytest.approx(paces(**{first.cell_id: shares}).factor)


def test_only_the_last_attempt_counts(paths: SweepPaths, rows):
    config = TrialConfig(epochs=9)
    open_manifest(paths)
    table = EpochTable.open(paths)
    table.add(config, [replace(r, epoch_seconds=100.0) for r in rows(config, [-1.0, -1.0])])
    table.add(config, [replace(r, epoch_seconds=2.0, attempt=2) for r in rows(config, [-1.0], first=3)])
    table.commit()
    assert recorded_paces(paths)[config.cell_id].mean == 2.0


def test_without_a_table_nothing_is_measured(paths: SweepPaths):
    assert recorded_paces(paths) == {}
    assert not paths.results.exists()


@pytest.mark.parametrize(
    ("own", "since", "seconds"),
    [
        (2.0, 2.5, 2.5),  # half a second until the next one began
        (2.0, 3.0, 3.0),
        (2.0, 4.0, 2.0),  # another pack's turn
        (2.0, 3600.0, 2.0),  # the machine slept
        (0.01, 0.08, 0.08),
        (2.0, 1.9, 2.0),  # its clock was set back
        (2.0, -3598.0, 2.0),  # by an hour
        (2.0, float("nan"), 2.0),
    ],
)
def test_what_passes_between_epochs_counts_and_interruptions_do_not(own: float, since: float, seconds: float):
    assert lasted(own, since) == seconds


def test_only_epochs_that_follow_one_another_in_one_attempt_are_apart_by_what_passes_between_them(paths, rows):
    resumed, other = TrialConfig(epochs=9), TrialConfig(epochs=9, seed=1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    open_manifest(paths)
    table = EpochTable.open(paths)

    def add(config: TrialConfig, attempt: int, first: int, ends: Sequence[float]) -> None:
        records = zip(rows(config, [-1.0] * len(ends), first=first), ends, strict=True)
        changes = {"epoch_seconds": 2.0, "attempt": attempt}
        table.add(config, [replace(r, time=start + timedelta(seconds=end), **changes) for r, end in records])

    add(resumed, 1, 1, [2.0, 4.5])
    add(resumed, 2, 3, [7.2, 9.4])  # its first epoch after 2.7 s in which it was begun again
    add(other, 1, 1, [2.0, 4.8, 7.7])
    table.commit()
    pace = recorded_paces(paths)[resumed.cell_id]
    assert (pace.epochs, pace.seconds) == (5, pytest.approx((2.0 + 2.2) + (2.0 + 2.8 + 2.9)))
