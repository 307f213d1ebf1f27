"""Processes side by side, on a hand-worked timetable."""

import pandas as pd

from tmc_sweep.statistics.processes import at_once

START = pd.Timestamp("2025-01-01", tz="UTC")


def timetable(*spans: tuple[str, str, int, int, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials with an epoch a second; each span: name, host, pack_size, first and last second."""
    trials = pd.DataFrame([{"trial_id": name, "host": host, "pack_size": size} for name, host, size, *_ in spans])
    epochs = [
        {"trial_id": name, "attempt": 1, "time": START + pd.Timedelta(seconds=second + 1), "epoch_seconds": 1.0}
        for name, _, _, first, last in spans
        for second in range(first, last)
    ]
    return trials, pd.DataFrame(epochs)


def test_processes_that_overlap_count_and_those_that_follow_one_another_do_not():
    tables = timetable(("a", "one", 1, 0, 5), ("b", "one", 1, 4, 8), ("c", "one", 1, 8, 9), ("d", "two", 1, 0, 9))
    assert at_once(*tables) == {"a": 2, "b": 2, "c": 1, "d": 1}
    tables = timetable(("a", "one", 1, 0, 5), ("b", "one", 1, 5, 8), ("c", "one", 1, 5, 8))
    assert at_once(*tables) == {"a": 1, "b": 2, "c": 2}


def test_the_most_at_one_moment_counts_not_all_that_came_and_went():
    tables = timetable(("long", "one", 1, 0, 9), ("a", "one", 1, 0, 3), ("b", "one", 1, 3, 6), ("c", "one", 1, 6, 9))
    assert at_once(*tables) == {"long": 2, "a": 2, "b": 2, "c": 2}


def test_a_pack_is_one_process():
    tables = timetable(*((f"pack{i}", "one", 3, 0, 5) for i in range(3)), ("alone", "one", 1, 1, 2))
    assert at_once(*tables) == {"pack0": 2, "pack1": 2, "pack2": 2, "alone": 2}
    assert set(at_once(*timetable(*((f"pack{i}", "one", 3, 0, 5) for i in range(3)))).values()) == {1}


def test_only_the_last_attempt_counts_and_no_host_is_a_host():
    trials, epochs = timetable(("a", "one", 1, 0, 5), ("b", "one", 1, 4, 8))
    epochs.loc[epochs["time"] > START + pd.Timedelta(seconds=6), "attempt"] = 2
    assert at_once(trials, epochs) == {"a": 1, "b": 1}
    assert at_once(trials.assign(host=None), epochs) == {"a": 1, "b": 1}
    assert at_once(trials, epochs.iloc[:0]) == {}
