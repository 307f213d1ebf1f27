"""A sealed table is believed as far as its columns are declared: each value of another kind is named."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tmc_sweep.errors import DamagedError
from tmc_sweep.records import ATTEMPT_COLUMNS, EPOCH_COLUMNS, TRIAL_COLUMNS, Column
from tmc_sweep.store.parquet import arrow_schema, read_table, to_parquet

TIME = Column("x", "timestamp", "", "")


def read(tmp_path: Path, column: Column, *values: Any) -> list[Any]:
    path = tmp_path / "x.trials.parquet"
    path.write_bytes(to_parquet(pa.table([pa.array(values, *arrow_schema([column]).types)], ["x"]), "00"))
    return read_table(path, [column])["x"].to_pylist()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (Column("x", "int64", "", "", required=True), None, "has nulls"),
        (Column("x", "int64", "", "", absent=1), None, "has nulls"),
        (Column("x", "int64", "", "", least=1), 0, "holds 0"),
        (Column("x", "int64", "", "", most=9), 10, "holds 10"),
        (Column("x", "float64", "", "", least=0), -0.5, "holds -0.5"),
        (Column("x", "float64", "", "", least=0), math.nan, "holds nan"),
        (Column("x", "string", "", "", choices=("a", "b")), "c", "holds 'c'"),
        (Column("x", "string", "", "", pattern="[0-9a-f]{12}"), "../../x", "holds '../../x'"),
        (TIME, datetime(1969, 12, 31, tzinfo=UTC), "holds datetime.datetime"),
        (TIME, 2**63 - 1, "holds 9223372036854775807"),
    ],
)
def test_a_value_that_its_column_does_not_admit_is_damage(tmp_path: Path, column: Column, value: Any, said: str):
    with pytest.raises(DamagedError, match=f"its column x {said}"):
        read(tmp_path, column, value)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (Column("x", "int64", "", "", least=1), (1, None, 2**62)),
        (Column("x", "float64", "", ""), (math.inf, None, -math.inf)),
        (Column("x", "string", "", "", choices=("a", "b")), ("a", None, "b")),
        (Column("x", "bool", "", ""), (True, None)),
        (Column("x", "binary", "", ""), (b"", None)),
        (Column("x", "timestamp", "", "", required=True), ()),
    ],
)
def test_what_its_column_admits_is_read_as_it_is(tmp_path: Path, column: Column, values: tuple[Any, ...]):
    assert read(tmp_path, column, *values) == list(values)


def test_names_that_become_paths_and_states_that_verbs_branch_on_are_declared_closely():
    columns = {column.name: column for column in (*ATTEMPT_COLUMNS, *EPOCH_COLUMNS, *TRIAL_COLUMNS)}
    assert not any(columns[name].admits("../../x") for name in ("trial_id", "cell_id", "status", "end"))
