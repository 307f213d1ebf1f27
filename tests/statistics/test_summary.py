"""The statistics on tables small enough to work out by hand."""

import math

import pandas as pd
import pytest

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.records import SUMMARY_COLUMNS, Status
from tmc_sweep.statistics.summary import summarize, write_summary
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.trials import TrialTable

STATISTICS = ["mean", "std_epochs", "std_epochs_within", "std_seeds"]


@pytest.fixture
def store(paths, rows):
    """store({seed: [values]}, {seed: status}): a sweep of one cell."""

    def make(curves, statuses=None, **fields):
        table = EpochTable.open(paths)
        configs = {seed: TrialConfig(seed=seed, **fields) for seed in (*curves, *(statuses or {}))}
        for seed, values in curves.items():
            table.add(configs[seed], rows(configs[seed], values))
        table.commit()
        trials = TrialTable.open(paths)
        trials.ensure(configs.values())
        for seed, status in (statuses or {}).items():
            trials.update(configs[seed].trial_id, status=status)
        trials.commit()
        return paths.epochs

    return make


def only_row(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def test_hand_worked_cell(store):
    row = only_row(summarize(store({0: [-9.0, -4.0, -2.0], 1: [-8.0, -7.0, -9.0]}), last=2))
    assert row["mean"] == pytest.approx(-5.5)  # the runs' means are -3 and -8
    assert row["std_epochs"] == pytest.approx(0.0)  # the averaged curve is -5.5, -5.5
    assert row["std_epochs_within"] == pytest.approx(1.0)  # both runs: 1
    assert row["std_seeds"] == pytest.approx(5 / math.sqrt(2))  # ddof 1: sqrt(2.5² + 2.5²)
    assert list(row[["first_epoch", "last_epoch", "n_seeds", "n_epochs", "n_nonfinite"]]) == [2, 3, 2, 2, 0]
    assert pd.isna(row["reason"])


def test_three_seeds_where_every_spread_differs(store):
    row = only_row(summarize(store({0: [-1.0, -3.0], 1: [-2.0, -2.0], 2: [-6.0, -10.0]}), last=2))
    assert row["mean"] == pytest.approx(-4.0)  # -2, -2, -8
    assert row["std_epochs"] == pytest.approx(1.0)  # -3, -5
    assert row["std_epochs_within"] == pytest.approx(1.0)  # 1, 0, 2
    assert row["std_seeds"] == pytest.approx(math.sqrt(12.0))


def test_one_seed_has_no_spread_between_seeds(store):
    row = only_row(summarize(store({0: [-1.0, -3.0]}), last=2))
    assert (row["mean"], row["std_epochs"], row["std_epochs_within"]) == (-2.0, 1.0, 1.0)
    assert pd.isna(row["std_seeds"])
    assert pd.isna(row["reason"])


def test_seeds_at_unequal_epochs_use_their_common_last_window(store):
    row = only_row(summarize(store({0: [-1.0, -2.0, -4.0, -100.0], 1: [-1.0, -6.0, -8.0]}), last=2))
    assert (row["first_epoch"], row["last_epoch"], row["n_epochs"]) == (2, 3, 2)
    assert row["mean"] == pytest.approx(-5.0)


def test_too_few_epochs(store):
    row = only_row(summarize(store({0: [-1.0] * 5, 1: [-1.0] * 2}), last=3))
    assert row[STATISTICS].isna().all()
    assert (row["n_epochs"], row["reason"]) == (2, "seed 1 has 2 epochs, fewer than 3")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_never_averaged_away(store, bad):
    row = only_row(summarize(store({0: [-1.0, -2.0, -3.0], 1: [-1.0, -2.0, bad]}), last=2))
    assert row[STATISTICS].isna().all()
    assert row["n_nonfinite"] == 1
    assert row["reason"] == "seed 1 diverged: its test_objective is not finite in epoch 3"


def test_divergence_after_the_common_window_counts_too(store):
    row = only_row(summarize(store({0: [-1.0, -2.0], 1: [-1.0, -2.0, math.nan]}), last=2))
    assert pd.isna(row["mean"])
    assert "seed 1 diverged" in row["reason"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.DIVERGED, "seed 1 diverged in epoch 3"),
        (Status.FAILED, "seed 1 failed after epoch 3"),
        (Status.STOPPED, "seed 1 was stopped after epoch 3"),
    ],
)
def test_a_seed_that_ended_early(store, status, reason):
    row = only_row(summarize(store({0: [-1.0] * 3, 1: [-1.0] * 3}, {0: Status.DONE, 1: status}), last=2))
    assert row[STATISTICS].isna().all()
    assert row["reason"] == reason


def test_done_and_running_seeds_are_averaged(store):
    row = only_row(summarize(store({0: [-1.0] * 3, 1: [-3.0] * 3}, {0: Status.DONE, 1: Status.RUNNING}), last=2))
    assert row["mean"] == -2.0


def test_a_seed_that_failed_before_its_first_epoch_does_not_go_unseen(store):
    row = only_row(summarize(store({0: [-1.0] * 3}, {0: Status.DONE, 1: Status.FAILED}), last=2))
    assert pd.isna(row["mean"])
    assert (row["n_seeds"], row["reason"]) == (1, "seed 1 failed after epoch 0")


def test_a_metric_that_was_never_evaluated(store):
    row = only_row(summarize(store({0: [-1.0] * 3}), last=2, metric="val_objective"))
    assert pd.isna(row["mean"])
    assert row["n_nonfinite"] == 0
    assert row["reason"] == "seed 0 has no val_objective in epoch 2, since validation_images is 0"


def test_cells_are_apart_and_in_the_order_of_their_fields(paths, rows, on_record):
    table = EpochTable.open(paths)
    configs = [TrialConfig(K=K, objective=objective, seed=K) for K in (20, 5) for objective in ("tmc", "iwae")]
    for config in configs:
        table.add(config, rows(config, [-float(config.K)] * 2))
    table.commit()
    on_record(*configs)
    frame = summarize(paths.epochs, last=2)
    assert list(frame.columns) == [column.name for column in SUMMARY_COLUMNS]
    assert list(zip(frame["objective"], frame["K"], strict=True)) == [
        ("iwae", 5),
        ("iwae", 20),
        ("tmc", 5),
        ("tmc", 20),
    ]
    assert list(frame["mean"]) == [-5.0, -20.0, -5.0, -20.0]


def test_trials_of_a_cell_in_different_parts(paths, rows, on_record):
    table = EpochTable.open(paths)
    configs = [TrialConfig(seed=0), *(TrialConfig(seed=s, K=3) for s in range(63)), TrialConfig(seed=1)]
    for config in configs:
        table.add(config, rows(config, [-1.0 - config.seed] * 2))
    table.commit()
    on_record(*configs)
    frame = summarize(paths.epochs, last=2).set_index("K")
    assert len(list(paths.epochs.iterdir())) == 2
    assert frame.loc[20, "mean"] == -1.5
    assert frame.loc[3, "n_seeds"] == 63


def test_an_empty_table_has_an_empty_summary(paths):
    EpochTable.open(paths)
    frame = summarize(paths.epochs)
    assert list(frame.columns) == [column.name for column in SUMMARY_COLUMNS]
    assert frame.empty


@pytest.mark.parametrize("last", [0, -1])
def test_last_must_be_positive(store, last):
    with pytest.raises(InputError, match=f"last must be an integer from 1 to 1000000, but got {last}"):
        summarize(store({0: [-1.0]}), last=last)


def test_an_unknown_metric(store):
    with pytest.raises(InputError, match="got 'test_objectve': did you mean 'test_objective'"):
        summarize(store({0: [-1.0]}), metric="test_objectve")


def test_the_written_summary_reads_back(store, paths):
    frame = summarize(store({0: [-1.0, -3.0], 1: [-1.0, math.nan]}), last=2)
    write_summary(paths, frame)
    pd.testing.assert_frame_equal(pd.read_parquet(paths.summary), frame)
