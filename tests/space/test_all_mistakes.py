"""All mistakes of a file in one call: a line each, by position, each position once, and not all of very many."""

import re

import pytest

from tmc_sweep.space import SpaceError, parse
from tmc_sweep.space.mistakes import MOST_TOLD
from tmc_sweep.space.schema import Header

WRONG = """version: 2
nam: x
base:
  K: 010
  lr: yes
  lrr: 1e-3
  epochs: 0
  architecture: {latents: [0, 4, 0]}
space:
  epochs: 5
  batch_size: {grid_search: [0, 64, x, 64]}
  weight_norm: {grid: [true], when: {objective: [tcm, tmc], seed: 1}}
  eval_k: {randint: [0.5, 9, 9]}
  prior: {loguniform: [true, 2.0]}
cases: [{K: 0}, 5, {data: "mnost"}]
exclude: [{}, {K: []}]
seeds: [1, -1, 1]
statistic: {metric: val, mode: up}
search: {algorithm: rndom, n: 5}
"""


def told(text: str, *overrides: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        parse(text, "x", overrides=overrides)
    return str(caught.value).split("\n")


def places(lines: list[str]) -> list[str]:
    return [match[1] for line in lines if (match := re.match(r"x:(\d+:\d+): .*\w", line))]


def test_every_mistake_is_told_once_at_its_place():
    text = WRONG.splitlines(keepends=True)
    first, second = "".join(text[:12]), "".join(["name: x\n", "space:\n", *text[12:]])
    assert places(told(first)) == [
        "1:10", "2:1", "4:6", "5:7", "6:3", "7:11", "8:28", "8:34", "10:3", "11:30", "11:37", "11:40",
        "12:17", "12:50", "12:61",
    ]  # fmt: skip
    assert places(told(second)) == [
        "3:21", "4:24", "5:13", "5:17", "5:27", "6:11", "6:19", "7:12", "7:16", "8:21", "8:32", "9:21", "9:28",
    ]  # fmt: skip


def test_what_is_missing_is_told_beside_what_stands_there():
    assert told("seedz: 2") == [
        "x:1:1: seedz is not a known key: did you mean 'seeds'? The known ones are " + ", ".join(Header.model_fields),
        "x:1:1: name is required, but is missing: add it",
    ]


def test_of_very_many_the_first_are_told_and_that_there_are_more():
    lines = told("name: x\nbase:\n" + "".join(f"  x{i}: {i}\n" for i in range(2_000)))
    assert places(lines[:-1]) == [f"{3 + i}:3" for i in range(MOST_TOLD)]
    assert lines[-1].endswith("there is more to correct from here on: correct these first")
    assert len(told("name: x\nbase:\n" + "".join(f"  x{i}: {i}\n" for i in range(MOST_TOLD)))) == MOST_TOLD


def test_what_cannot_be_read_on_ends_the_list():
    lines = told("name: x\nbase: {K: 010, lr: 0x, K: 3, lr: [}")
    assert places(lines) == ["2:11", "2:24", "2:35"]
    assert "the text must be YAML 1.2" in lines[-1]


def test_what_is_set_stands_before_what_the_file_says():
    lines = told("name: x\nbase: {K: 0, lr: 0}", "epochs=0", "seeds=0")
    assert [line.split(":")[0] for line in lines] == ["--set epochs=0", "--set seeds=0", "x", "x"]


def test_fields_that_do_not_go_together_are_told_once_each():
    lines = told(
        "name: x\nspace:\n  train_images: {grid_search: [9, 99999]}\n  test_images: {grid_search: [5, 99999]}\n"
        "  K: {grid_search: [1, 2]}"
    )
    assert places(lines) == ["3:35", "4:34"]
    assert places(told("name: x\nspace: {K: {uniform: [1, 2]}, lr: {uniform: [1, 2]}}\n")) == ["2:22"]
    assert places(told("name: x\nspace: {eval_k: {randint: [1, 2]}, lr: {uniform: [1, 2]}}\ncases: [{lr: 1}]")) == [
        "2:17",
        "2:40",
        "3:14",
    ]
    assert places(told("name: x\nexclude: [{K: 7}, {K: 8}]")) == ["2:11", "2:19"]
