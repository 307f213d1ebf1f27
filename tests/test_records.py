import json
import math
from dataclasses import fields
from datetime import UTC, datetime

from tmc_sweep.records import (
    EPOCH_COLUMNS,
    MEASURED_COLUMNS,
    OUTCOME_COLUMNS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
    EpochRecord,
)

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
