import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.records import TRIAL_COLUMNS, Status
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.trials import TrialTable, missing


def test_new_trials_are_pending_and_hold_their_whole_configuration(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config])
    table.commit()
    row = pd.read_parquet(paths.trials).iloc[0]
    assert list(row.index) == [column.name for column in TRIAL_COLUMNS]
    assert (row["trial_id"], row["status"], row["epochs"], row["epochs_done"]) == (config.trial_id, "pending", 4, 0)
    assert pd.isna(row["n_parameters"])
    assert TrialConfig.parse(json.loads(row["config"])) == config


def test_ensure_keeps_what_is_known_and_sets_the_target(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config])
    table.update(config.trial_id, status=Status.STOPPED, attempts=2)
    longer = config.model_copy(update={"epochs": 9})
    table.ensure([longer])
    row = table.get(config.trial_id)
    assert (row["epochs"], row["status"], row["attempts"]) == (9, "stopped", 2)
    assert TrialConfig.parse(json.loads(row["config"])) == longer
    assert len(table) == 1


def test_a_done_trial_with_epochs_left_is_pending_again(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config])
    table.update(config.trial_id, status=Status.DONE, epochs_done=4)
    table.ensure([config])
    assert table.get(config.trial_id)["status"] == Status.DONE
    table.ensure([config.model_copy(update={"epochs": 9})])
    assert table.get(config.trial_id)["status"] == Status.PENDING


def test_updates_survive_reopening(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config, TrialConfig(seed=8)])
    ended = datetime(2025, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    table.update(config.trial_id, status=Status.FAILED, reason="no memory", ended=ended, n_parameters=12)
    table.commit()
    table = TrialTable.open(paths)
    row = table.get(config.trial_id)
    assert (row["status"], row["reason"], row["ended"], row["n_parameters"]) == (Status.FAILED, "no memory", ended, 12)
    assert [row["seed"] for row in table] == [7, 8]
    assert table.get("0" * 12) is None


def test_unknown_columns_and_trials(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config])
    with pytest.raises(ValueError, match="did you mean 'status'"):
        table.update(config.trial_id, statsu="done")
    with pytest.raises(KeyError):
        table.update("0" * 12, status="done")


def test_a_damaged_table_is_refused(paths, config):
    table = TrialTable.open(paths)
    table.ensure([config])
    table.commit()
    paths.trials.write_bytes(paths.trials.read_bytes()[:100])
    with pytest.raises(StorageError, match=r"grid\.trials\.parquet.*damaged"):
        TrialTable.open(paths)


def test_counts_that_are_null_stay_integers(paths, config):
    EpochTable.open(paths)
    table = TrialTable.open(paths)
    table.ensure([config])
    table.commit()
    frame = read_trials(paths.epochs)
    assert frame["n_parameters"].dtype == "Int64"
    assert frame["epochs"].tolist() == [4]


@pytest.mark.parametrize(
    ("status", "epochs_done", "is_missing"),
    [
        (Status.PENDING, 0, True),
        (Status.PENDING, 3, False),  # fewer epochs are asked for now
        (Status.RUNNING, 1, True),
        (Status.FAILED, 2, True),
        (Status.DIVERGED, 2, False),
        (Status.STOPPED, 2, False),
        (Status.DONE, 3, False),
        (Status.DONE, 5, False),
        (Status.DONE, 2, True),
    ],
)
def test_what_is_missing_follows_from_the_status_and_the_epochs_done(status: Status, epochs_done: int, is_missing):
    config = small(epochs=3)
    rows = {config.trial_id: {"status": str(status), "epochs_done": epochs_done}}
    assert missing([config], rows) == [config] * is_missing


def test_a_trial_without_a_row_is_missing_and_the_order_is_kept():
    configs = [small(seed=seed) for seed in (2, 0, 1)]
    done = {configs[1].trial_id: {"status": "done", "epochs_done": 3}}
    assert missing(configs, done) == [configs[0], configs[2]]
