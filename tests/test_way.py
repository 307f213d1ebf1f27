"""The data's way on the page is the way that a sweep's data take."""

from pathlib import Path

import pytest
from way import DOWN, UP, calls, picture

PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()


@pytest.fixture(scope="module")
def seen() -> tuple[list[tuple[str, str]], dict[str, set[str]]]:
    return calls()


def test_each_stop_is_called_after_the_one_before_it(seen):
    called = iter(seen[0])
    assert [stop for stop in (*DOWN, *UP) if stop not in called] == []


def test_but_for_the_configuration_itself_k_and_lr_are_each_read_in_one_place(seen):
    assert seen[1] == {"K": {"config", "training.pack"}, "lr": {"config", "training.member"}}


def test_the_page_shows_it(seen):
    assert picture(seen[1]) in PAGE
