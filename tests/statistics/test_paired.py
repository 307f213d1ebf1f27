"""Paired differences on tables small enough to work out by hand."""

import math

import pandas as pd
import pytest

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.records import Column, Status, summary_columns
from tmc_sweep.statistics.labels import differing_fields
from tmc_sweep.statistics.paired import differences_of, paired_differences
from tmc_sweep.statistics.ranking import ranking
from tmc_sweep.statistics.summary import summarize, summary_of
from tmc_sweep.statistics.windows import read_runs
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.read import plain_rows
from tmc_sweep.store.trials import TrialTable

T_2 = 4.302652729911275  # 97.5 % quantile of Student's t of 2 degrees of freedom: 0.95 √(2 / (1 - 0.95²))


@pytest.fixture
def store(paths, rows):
    """store([({field: value}, {seed: [values]})], {(objective, seed): status}): a sweep, and its epoch table."""

    def make(cells, statuses=None):
        table, trials = EpochTable.open(paths), TrialTable.open(paths)
        for fields, curves in cells:
            for seed, values in curves.items():
                config = TrialConfig(seed=seed, **fields)
                trials.ensure([config])
                if values:
                    table.add(config, rows(config, values))
                if status := (statuses or {}).get((config.objective, seed)):
                    trials.update(config.trial_id, status=status)
        table.commit()
        trials.commit()
        return paths.epochs

    return make


IWAE, TMC, ELBO = ({"objective": name} for name in ("iwae", "tmc", "elbo"))


def only_row(frame: pd.DataFrame) -> pd.Series:
    assert len(frame) == 1
    return frame.iloc[0]


def test_hand_worked_pair(store):
    table = store(
        [
            (IWAE, {0: [0.0, -9.0, -7.0], 1: [0.0, -6.0, -6.0], 2: [0.0, -1.0, -3.0]}),  # means -8, -6, -2
            (TMC, {0: [0.0, -7.0, -7.0], 1: [0.0, -3.0, -3.0], 2: [0.0, 4.0, 0.0]}),  # means -7, -3, 2
        ]
    )
    row = only_row(paired_differences(table, last=2))
    assert tuple(row[["by", "baseline", "value", "n_seeds"]]) == ("objective", "iwae", "tmc", 3)
    assert row["mean_difference"] == pytest.approx(8 / 3)  # 1, 3, 4
    assert row["std_difference"] == pytest.approx(math.sqrt(7 / 3))
    half = T_2 * math.sqrt(7 / 3) / math.sqrt(3)
    assert (row["low"], row["high"]) == (pytest.approx(8 / 3 - half), pytest.approx(8 / 3 + half))
    assert (row["first_epoch"], row["last_epoch"], row["last"], row["metric"]) == (2, 3, 2, "test_objective")
    assert (row["K"], row["lr"], pd.isna(row["reason"])) == (20, 1e-3, True)
    means = summarize(table, last=2).set_index("objective")["mean"]
    assert row["mean_difference"] == pytest.approx(means["tmc"] - means["iwae"])


def test_only_common_seeds_are_compared(store):
    table = store([(IWAE, {0: [-1.0], 1: [-2.0], 5: [-100.0]}), (TMC, {1: [-1.0], 0: [-1.0], 7: [50.0]})])
    row = only_row(paired_differences(table, last=1))
    assert (row["mean_difference"], row["n_seeds"]) == (0.5, 2)


def test_one_common_seed_has_a_mean_and_no_interval(store):
    row = only_row(paired_differences(store([(IWAE, {0: [-3.0], 1: [0.0]}), (TMC, {0: [-1.0]})]), last=1))
    assert (row["mean_difference"], row["n_seeds"]) == (2.0, 1)
    assert row[["std_difference", "low", "high"]].isna().all()
    assert row["reason"] == "one common seed, and an interval needs two"


def test_a_ranking_has_each_cells_spread_over_seeds_and_its_difference_to_the_first_over_common_ones(store):
    table = store(
        [
            (IWAE, {0: [-8.0], 1: [-6.0], 2: [-2.0], 9: [-8.0]}),
            (TMC, {0: [-7.0], 1: [-3.0], 2: [2.0], 5: [0.0]}),
            (ELBO, {0: [-9.0], 7: [-11.0]}),
            ({"objective": "elbo", "K": 5}, {3: [-20.0]}),
            ({"objective": "elbo", "K": 9}, {3: [math.nan]}),
        ]
    )
    frame = ranking(table, 1, "test_objective", "max")
    of_first, of_second, of_third, of_fourth, of_unknown = (row for _, row in frame.iterrows())
    differences = ["mean_difference", "std_difference", "low", "high"]
    assert frame["rank"].tolist()[:4] == [1, 2, 3, 4]
    assert frame["n_seeds"].tolist() == [4, 4, 2, 1, 1]
    assert of_first["std_seeds"] == pytest.approx(math.sqrt((25 + 1 + 16 + 4) / 3))  # about -2
    assert of_second["std_seeds"] == pytest.approx(math.sqrt(24 / 3))  # about -6
    half = T_2 * math.sqrt(7 / 3) / math.sqrt(3)  # of -1, -3, -4
    assert of_second["n_common"] == 3
    assert of_second[differences].tolist() == pytest.approx([-8 / 3, math.sqrt(7 / 3), -8 / 3 - half, -8 / 3 + half])
    assert (of_third["mean_difference"], of_third["n_common"]) == (-2.0, 1)
    assert of_third[["std_difference", "low", "high"]].isna().all()
    assert of_fourth["n_common"] == 0
    assert pd.concat([of_first[differences], of_fourth[differences], of_unknown[differences]]).isna().all()
    assert pd.isna(of_first["n_common"])
    assert pd.isna(of_unknown["n_common"])


def test_a_number_is_short_in_a_reason(store):
    cells = [({**TMC, "lr": lr}, {0: values}) for lr, values in ((0.1, [-1.0] * 2), (0.123456789, [-1.0]))]
    row = only_row(paired_differences(store(cells), by="lr", last=2))
    assert row["reason"].startswith("seed 0 of lr 0.123457 ")


def test_no_common_seed(store):
    row = only_row(paired_differences(store([(IWAE, {0: [-3.0]}), (TMC, {1: [-1.0]})]), last=1))
    assert row[["mean_difference", "std_difference", "low", "high"]].isna().all()
    assert (row["n_seeds"], row["reason"]) == (0, "the cells have no seed in common")


@pytest.mark.parametrize(
    ("curve", "status", "reason"),
    [
        ([-1.0, math.nan], Status.DIVERGED, "seed 1 of objective tmc diverged in epoch 2"),
        ([-1.0, math.nan], None, "seed 1 of objective tmc diverged: its test_objective is not finite in epoch 2"),
        ([], Status.FAILED, "seed 1 of objective tmc failed after epoch 0"),
        ([-1.0], None, "seed 1 of objective tmc has 1 epochs, fewer than 2"),
    ],
)
def test_a_run_without_its_window_makes_the_difference_null(store, curve, status, reason):
    cells = [(IWAE, {0: [-1.0] * 2, 1: [-1.0] * 2}), (TMC, {0: [-1.0] * 2, 1: curve})]
    row = only_row(paired_differences(store(cells, {("tmc", 1): status}), last=2))
    assert row[["mean_difference", "std_difference", "low", "high"]].isna().all()
    assert (row["n_seeds"], row["reason"]) == (2, reason)


def test_cells_at_unequal_epochs_are_compared_in_their_common_window(store):
    table = store([(IWAE, {0: [-1.0, -2.0, -3.0, -50.0]}), (TMC, {0: [-1.0, -1.0, -1.0]})])
    row = only_row(paired_differences(table, last=2))
    assert (row["first_epoch"], row["last_epoch"], row["mean_difference"]) == (2, 3, 1.5)


def test_cells_that_differ_elsewhere_are_not_compared_and_every_value_is_with_the_least(store):
    cells = [({**own, "lr": lr}, {0: [value * lr]}) for own, value in ((TMC, 3), (IWAE, 2), (ELBO, 1)) for lr in (1, 2)]
    frame = paired_differences(store(cells), last=1)
    columns = ["lr", "baseline", "value", "mean_difference"]
    assert sorted(frame[columns].itertuples(index=False, name=None)) == [
        (1.0, "elbo", "iwae", 1.0),
        (1.0, "elbo", "tmc", 2.0),
        (2.0, "elbo", "iwae", 2.0),
        (2.0, "elbo", "tmc", 4.0),
    ]


def test_the_articles_value_is_the_baseline_where_it_is_there(store):
    cells = [
        ({"objective": "iwae", "gradient": name}, {0: [value]}) for name, value in (("dregs", -1.0), ("std", -2.0))
    ]
    row = only_row(paired_differences(store(cells), "gradient", last=1))
    assert tuple(row[["baseline", "value", "mean_difference"]]) == ("std", "dregs", 1.0)


def test_eval_k_need_not_agree_where_it_follows_k(store):
    row = only_row(paired_differences(store([({"K": K}, {0: [float(K)]}) for K in (20, 5)]), "K", last=1))
    assert tuple(row[["baseline", "value", "mean_difference"]]) == (5, 20, 15.0)
    assert pd.isna(row["eval_k"])


def test_a_common_eval_k_agrees(store):
    row = only_row(paired_differences(store([({"K": K, "eval_k": 20}, {0: [-1.0]}) for K in (5, 20)]), "K", last=1))
    assert tuple(row[["baseline", "value", "eval_k"]]) == (5, 20, 20)


def test_another_eval_k_does_not_agree(store):
    table = store([({"K": 5, "eval_k": 7}, {0: [-1.0]}), ({"K": 20, "eval_k": 9}, {0: [-1.0]})])
    assert paired_differences(table, "K", last=1).empty


def test_nothing_to_compare_is_an_empty_frame_with_all_columns(store):
    table = store([(IWAE, {0: [-1.0]})])
    frame = paired_differences(table, last=1)
    assert frame.empty
    assert {"K", "by", "baseline", "value", "mean_difference", "low", "high", "n_seeds", "reason"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "objectiv"}, "by one of their fields, but got 'objectiv': did you mean 'objective'"),
        ({"by": "seed"}, "by one of their fields, but got 'seed': the fields are objective, architecture"),
        ({"metric": "test_objectve"}, "did you mean 'test_objective'"),
        ({"last": 0}, "last must be an integer from 1 to 1000000, but got 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(store, options, said):
    with pytest.raises(InputError, match=said):
        paired_differences(store([(IWAE, {0: [-1.0]})]), **options)


def test_a_column_of_the_sweeps_own_tells_cells_apart(store):
    curves = {0: [-1.0], 1: [-2.0]}
    runs = read_runs(store([({"K": 1, "lr": lr}, curves) for lr in (1e-3, 1e-2)]), 1, "test_objective")
    same = runs._replace(trials=runs.trials.assign(lr=1e-3, channels=runs.trials["lr"].map({1e-3: 16, 1e-2: 32})))
    own = same._replace(columns=(*runs.columns, Column("channels", "int64", "", "channels of a layer")))
    assert differences_of(own, "channels", 1, "test_objective")[["baseline", "value"]].to_numpy().tolist() == [[16, 32]]
    assert differences_of(own, "lr", 1, "test_objective").empty  # they differ in channels, and in nothing else
    assert differing_fields(plain_rows(own.trials), own.fields) == ["channels"]
    summary = summary_of(own, 1, "test_objective")
    assert summary["channels"].tolist() == [16, 32]
    assert list(summary.columns) == [column.name for column in summary_columns(own.columns)]
