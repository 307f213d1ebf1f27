"""Which process trained what: fresh ones that take turns, from the attempt table."""

import pandas as pd
import pytest

from tmc_sweep.statistics.processes import Process, processes, unproven


def attempts(*rows: tuple[str, int, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["trial_id", "attempt", "process"])


def test_a_trials_process_is_that_of_its_last_attempt():
    found = processes(attempts(("a", 1, "p"), ("b", 1, "q"), ("a", 2, "r")))
    assert found == {"a": Process("r", 2, 1), "b": Process("q", 1, 1)}


def test_a_process_that_trained_several_trials_says_so():
    found = processes(attempts(("a", 1, "p"), ("b", 1, "p"), ("b", 2, "q")))
    assert {name: each.trials for name, each in found.items()} == {"a": 2, "b": 1}


def test_processes_that_are_not_on_record_are_unknown():
    assert processes(attempts(("a", 1, None))) == {}
    assert processes(attempts()) == {}


def own(*turns: int) -> list[Process]:
    return [Process(f"p{turn}", turn, 1) for turn in turns]


@pytest.mark.parametrize(
    ("rounds", "why"),
    [
        ([own(0, 1), own(2, 3), own(4, 5)], ""),
        ([own(5, 4), own(0, 1), own(3, 2)], ""),
        ([own(0, 7), own(8, 15)], ""),  # other cells between them
        ([own(0, 3), own(1, 4), own(2, 5)], "cells did not take turns"),
        ([own(0, 1), [Process("p", 2, 2), *own(3)]], "not each trial had a process of its own"),
        ([own(0, 1), [None, *own(3)]], "not on record which processes trained"),
    ],
)
def test_seconds_compare_between_processes_of_one_trial_each_round_by_round(rounds, why: str):
    assert unproven(rounds) == why
