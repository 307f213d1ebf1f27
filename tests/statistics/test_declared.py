"""What is summarised where nothing else is asked for: what the sweep's search space declares, by verb or in Python."""

from pathlib import Path

import pytest
from command import command
from invented import flat, write

import tmc_sweep
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.read import plain_rows

SPACE = """name: made
base: {data: digits, K: 2, epochs: 60}
space: {objective: {grid_search: [iwae, tmc]}}
seeds: 2
statistic: {metric: test_elbo, last: 7}
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path, SPACE, flat(lambda config: -10.0)).epochs


@pytest.mark.parametrize(("given", "expected"), [({}, ("test_elbo", 7)), ({"last": 9}, ("test_elbo", 9))])
@pytest.mark.parametrize(
    ("verb", "function"),
    [(["summary", "made"], "summarize"), (["differences", "made"], "paired_differences")],
)
def test_a_function_s_statistic_is_its_verb_s(table: Path, verb, function: str, given, expected):
    frame = getattr(tmc_sweep, function)(table, **given)
    assert set(zip(frame["metric"], frame["last"], strict=True)) == {expected}
    options = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert command(*verb, "--results", table.parent, *options, "--json").json == plain_rows(frame)


def test_where_no_search_space_can_be_read_it_is_the_usual_one(table: Path):
    open_manifest(SweepPaths.of_table(table), "name: [")
    frame = tmc_sweep.summarize(table)
    assert set(zip(frame["metric"], frame["last"], strict=True)) == {("test_objective", 50)}
