"""Tables on stdout: whole at any width."""

import re

import pytest

from tmc_sweep.cli.show import print_table, show_status
from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status

COLUMNS = ["objective", "weight_norm", "std_epochs_within"]
ROWS = [["iwae", "False", "0.123"], ["tmc", "True", "1234567.891"]]


@pytest.mark.parametrize("width", [10, 40, 200])
def test_no_value_is_cut_on_a_terminal_of_any_width(monkeypatch, capsys, width: int):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_table("head", COLUMNS, ROWS)
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(value in shown for row in ROWS for value in row)
    assert ("std_epochs_within" in shown) == (width == 200)


def test_on_a_narrow_terminal_a_reason_has_lines_of_its_own_column(monkeypatch, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "60")
    path = f"/results/{'0123456789abcdef' * 4}.safetensors"
    reasons = ["one of six words " * 4, f"[enforce fail] {path}"]
    print_table("head", [*COLUMNS, "reason"], [[*row, reason] for row, reason in zip(ROWS, reasons, strict=True)])
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert f"[enforcefail]{path}" in "".join(line[12:].replace(" ", "") for line in lines)
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith(("iwae", "tmc")) for line in lines) == 2
    assert sum(line.startswith(" " * 12) and "words" in line for line in lines) >= 2


def test_status_names_the_fields_in_which_trials_differ(capsys):
    trials = [TrialConfig.parse({"weight_norm": norm, "seed": 0}) for norm in (False, True)]
    known = {"status": "done", "attempts": 1, "epochs_done": 2, "epochs": 2, "reason": None}
    rows = [{"trial_id": trial.trial_id, **trial.row(), **known} for trial in trials]
    counts = {f"n_{name}": 0 for name in Status} | {
        "n_trials": 2,
        "n_done": 2,
        "n_earlier": 0,
        "n_checkpoints_dropped": 0,
    }
    show_status(
        {"name": "n", "trials": rows, **counts, "epochs_done": 4, "epochs": 4, "checkpoint_bytes": 0}, as_json=False
    )
    heads = capsys.readouterr().out.splitlines()[1].split()
    assert heads == ["trial_id", "weight_norm", "seed", "status", "attempts", "epochs_done", "epochs"]


def test_headers_stay_on_one_line_where_no_terminal_sets_a_width(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "10")
    print_table("head", COLUMNS, ROWS)
    assert capsys.readouterr().out.splitlines()[1].split() == COLUMNS
