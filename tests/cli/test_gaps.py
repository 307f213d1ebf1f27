"""The command that shows the gaps."""

import re
import sys
from io import BytesIO, TextIOWrapper

import pytest
from command import command

from tmc_sweep.cli import main

GIVEN = ("--latents", "2", "--draws", "20", "--seed", "3")


def test_the_table_has_a_row_per_proposal_and_k_and_a_column_per_bound():
    ended = command("toy", *GIVEN)
    head, columns, *rows = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert head == "log p(x) minus the bound, in nats: 2 latents, 20 draws"
    assert columns.split() == ["proposal", "K", "elbo", "iwae", "tmc"]
    assert [row.split()[:2] for row in rows] == [
        [proposal, k] for proposal in ("nonfactorised", "factorised") for k in ("1", "2", "5", "10", "20", "50")
    ]
    assert all(re.fullmatch(r"\S+ +\d+( +-?\d+\.\d{3} ± \d+\.\d{3}){3}", row) for row in rows)


def test_the_json_has_what_was_asked_for_and_the_same_gaps():
    given, shown = command("toy", *GIVEN, "--json").json, command("toy", *GIVEN).out
    assert {name: given[name] for name in ("latents", "draws", "seed", "shift", "spread")} == {
        "latents": 2,
        "draws": 20,
        "seed": 3,
        "shift": 0.5,
        "spread": 1.2,
    }
    assert given["log_evidence"] == pytest.approx(-1.4189385)
    assert len(given["gaps"]) == 36
    assert all(f"{gap['gap']:.3f} ± {gap['standard_error']:.3f}" in shown for gap in given["gaps"])


def test_a_number_out_of_its_range_is_one_sentence():
    ended = command("toy", "--latents", "0")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "tmc-sweep: latents must be a number from 1 to 100, but got 0\n"


def test_an_encoding_without_plus_minus_gets_another_sign(monkeypatch: pytest.MonkeyPatch):
    shown = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(shown, encoding="ascii", write_through=True))
    monkeypatch.setattr(sys, "argv", ["tmc-sweep", "toy", *GIVEN])
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, b" ? " in shown.getvalue()) == (0, True)
