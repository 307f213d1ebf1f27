"""Tables on stdout: whole at any width."""

import pytest

from tmc_sweep.cli.show import print_table

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


def test_headers_stay_on_one_line_where_no_terminal_sets_a_width(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "10")
    print_table("head", COLUMNS, ROWS)
    assert capsys.readouterr().out.splitlines()[1].split() == COLUMNS
