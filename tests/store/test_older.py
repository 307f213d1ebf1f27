"""Tables of before a column was declared are read and go on; what was stored of a trial's fields since is filled in."""

import json

import pyarrow.parquet as pq
import pytest

from tmc_sweep.config import IDENTITY_DEFAULTS, TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EPOCH_COLUMNS, MEASURED_COLUMNS, TRIAL_COLUMNS, EpochRecord
from tmc_sweep.statistics.summary import summarize
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import to_parquet
from tmc_sweep.store.read import read_epochs, read_trials
from tmc_sweep.store.trials import TrialTable, config_of

LATER = [column.name for column in EPOCH_COLUMNS if not column.required]


@pytest.fixture
def stored(paths: SweepPaths, config: TrialConfig, rows) -> SweepPaths:
    """Three of four epochs of one trial."""
    open_manifest(paths)
    epochs, trials = EpochTable.open(paths), TrialTable.open(paths)
    trials.ensure([config])
    epochs.add(config, rows(config, [-3.0, -2.0, -1.0]))
    epochs.commit()
    trials.commit()
    return paths


def drop(paths: SweepPaths, *names: str) -> None:
    """Write both tables as they were before these columns."""
    for path in (paths.part(0), paths.trials):
        table = pq.read_table(path)
        table = table.drop_columns(sorted({*names} & {*table.column_names})).replace_schema_metadata(None)
        path.write_bytes(to_parquet(table, open_manifest(paths).sweep_id))


def test_what_a_trial_is_and_its_key_are_always_there():
    required = {column.name for column in EPOCH_COLUMNS if column.required}
    assert {"trial_id", "cell_id", "epoch", "objective", "K", "lr", "seed"} <= required
    assert not required & IDENTITY_DEFAULTS.keys()


@pytest.mark.parametrize("name", LATER)
def test_a_column_that_the_epoch_table_lacks_is_null_or_as_all_trials_had_it(stored: SweepPaths, name: str):
    drop(stored, name)
    column = read_epochs(stored.epochs)[name]
    assert len(column) == 3
    assert column.isna().all() if name not in IDENTITY_DEFAULTS else (column == IDENTITY_DEFAULTS[name]).all()


def test_a_sweep_without_any_of_them_is_read_summarised_and_continued(stored: SweepPaths, config, rows):
    before = read_epochs(stored.epochs)
    drop(stored, *LATER, *(column.name for column in TRIAL_COLUMNS if not column.required))
    frame = summarize(stored.epochs, last=2, metric="test_objective")
    assert frame["reason"].tolist() == ["seed 7 has no test_objective in epoch 2"]
    assert config_of(read_trials(stored.epochs).iloc[0].to_dict()) == config
    epochs, trials = EpochTable.open(stored), TrialTable.open(stored)
    epochs.add(config, rows(config, [0.0], first=4))
    trials.update(config.trial_id, host="here")
    epochs.commit()
    trials.commit()
    assert pq.read_schema(stored.part(0)).names == before.columns.tolist()
    assert read_epochs(stored.epochs)["test_objective"].tolist()[3:] == [0.0]
    assert read_trials(stored.epochs)["host"].tolist() == ["here"]


def test_a_stored_configuration_without_a_later_field_is_the_trial_that_it_was(config: TrialConfig, monkeypatch):
    fields = json.loads(config.model_dump_json(exclude={"gradient"}))
    monkeypatch.setattr(TrialConfig.model_fields["gradient"], "default", "dregs")
    TrialConfig.model_rebuild(force=True)
    try:
        row = {"trial_id": config.trial_id, "config": json.dumps(fields)}
        assert config_of(row) == config
    finally:
        monkeypatch.undo()
        TrialConfig.model_rebuild(force=True)


def test_a_checkpoints_history_without_a_later_column_is_read(config: TrialConfig, rows):
    (first,) = rows(config, [-1.0])
    values = {name: value for name, value in first.to_json().items() if name != "grad_norm"}
    assert EpochRecord.from_json(values).grad_norm is None
    assert EpochRecord.from_json(first.to_json()) == first
    always = {"epoch", "attempt", "epoch_seconds", "time"}
    assert always == {column.name for column in MEASURED_COLUMNS if column.required}
