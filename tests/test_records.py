import json
import math
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from odd import OBJECTS
from twin import small

from tmc_sweep.records import (
    EPOCH_COLUMNS,
    MEASURED_COLUMNS,
    OUTCOME_COLUMNS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
    EpochRecord,
    fixed_values,
)
from tmc_sweep.store.parquet import arrow_schema, read_table, to_parquet

RECORD = EpochRecord(
    "0123456789ab", 3, -1.5, None, None, None, None, -1.0, math.nan, -math.inf, 0.1, 2.0, 1.0, 7, 0.3, 1,
    datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
)  # fmt: skip


def test_a_record_is_the_trial_and_the_measured_columns_in_order():
    assert [field.name for field in fields(EpochRecord)] == ["trial_id", *(column.name for column in MEASURED_COLUMNS)]


def test_outcomes_are_columns_and_no_table_has_one_twice():
    assert set(OUTCOME_COLUMNS) <= {column.name for column in MEASURED_COLUMNS}
    for columns in (EPOCH_COLUMNS, TRIAL_COLUMNS, SUMMARY_COLUMNS):
        names = [column.name for column in columns]
        assert len(names) == len(set(names))


def test_a_record_survives_json_with_its_nan_infinity_and_none():
    back = EpochRecord.from_json(json.loads(json.dumps(RECORD.to_json())))
    assert repr(back) == repr(RECORD)  # NaN differs from itself, but not its text
    assert back.time == RECORD.time
    assert back.val_elbo is None


def test_diverged_means_something_computed_is_not_finite():
    sound = EpochRecord.from_json({**RECORD.to_json(), "test_iwae": -1.0, "test_tmc": -1.0})
    assert RECORD.diverged
    assert not sound.diverged


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch_seconds", math.nan),
        ("epoch_seconds", 1),
        ("peak_memory_bytes", 2**63),
        ("attempt", 10**30),
        ("test_elbo", 10**400),
        ("time", "9999-01-01T00:00:00+00:00"),
        ("time", "0001-01-01T00:00:00+23:00"),
        ("time", "2025-01-01T00:00:00"),
        ("time", None),
        ("trial_id", "../../x"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_no_table_can_hold_is_no_record(name: str, value: object):
    with pytest.raises((ValueError, TypeError)):
        EpochRecord.from_json({**RECORD.to_json(), name: value})


def test_what_a_record_may_be_a_table_holds_and_admits(tmp_path: Path):
    """The same declaration judges a checkpoint's history and a column: what one admits, so does the other."""
    schema, config = arrow_schema(EPOCH_COLUMNS), small()
    for name in RECORD.to_json():
        for value in OBJECTS:
            try:
                record = EpochRecord.from_json({**RECORD.to_json(), name: value})
            except (ValueError, TypeError):
                continue
            row = {**fixed_values(config), **{field.name: getattr(record, field.name) for field in fields(record)}}
            path = tmp_path / "part-00000.parquet"
            path.write_bytes(to_parquet(pa.Table.from_pylist([row], schema), "00"))
            assert repr(read_table(path, EPOCH_COLUMNS)[name][0].as_py()) == repr(getattr(record, name))
