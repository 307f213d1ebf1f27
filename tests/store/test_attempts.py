"""Every attempt at a trial stays on record: where, with what and how it ended."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import ATTEMPT_COLUMNS
from tmc_sweep.store.attempts import AttemptTable, name_of_pack

A, B = "a" * 12, "b" * 12


@pytest.fixture
def table(paths: SweepPaths) -> AttemptTable:
    return AttemptTable.open(paths)


def stored(paths: SweepPaths) -> list[tuple[object, ...]]:
    rows = pq.read_table(paths.attempts).to_pylist()
    return [(row["trial_id"], row["attempt"], row["end"]) for row in rows]


def begin(table: AttemptTable, trial_id: str, attempt: int, **columns: object) -> None:
    table.begin({"trial_id": trial_id, "attempt": attempt, **columns})


def test_the_table_is_there_from_the_beginning_with_all_columns(table: AttemptTable, paths: SweepPaths):
    table.commit()
    assert pd.read_parquet(paths.attempts).columns.tolist() == [column.name for column in ATTEMPT_COLUMNS]


def test_an_attempt_ends_as_its_trial_does_or_is_interrupted_by_the_next(table: AttemptTable, paths: SweepPaths):
    for attempt in (1, 2):
        begin(table, A, attempt, host="here")
    begin(table, B, 1)
    table.end(A, "done", None)
    table.end(A, "failed", None)  # it has ended already
    table.commit()
    assert stored(paths) == [(A, 1, "interrupted"), (A, 2, "done"), (B, 1, None)]
    table = AttemptTable.open(paths)  # of a run after a kill
    table.interrupt_all(None)
    table.commit()
    assert stored(paths)[-1] == (B, 1, "interrupted")
    assert (AttemptTable.open(paths).get(A, 1) or {})["host"] == "here"


def test_one_that_was_put_on_record_just_before_a_kill_is_begun_again_under_its_number(
    table: AttemptTable, paths: SweepPaths
):
    begin(table, A, 1, process="first")
    table.commit()
    table = AttemptTable.open(paths)
    table.interrupt_all(None)
    begin(table, A, 1, process="second")
    table.end(A, "done", None)
    table.commit()
    assert stored(paths) == [(A, 1, "done")]
    assert (table.get(A, 1) or {})["process"] == "second"


def test_a_pack_is_named_by_its_members_in_any_order():
    assert name_of_pack([A, B]) == name_of_pack([B, A]) != name_of_pack([A])
