"""tmc-sweep status NAME --watch."""

from pathlib import Path

import invented
import numpy as np
import pytest
from command import command
from rich.console import Console

from tmc_sweep.cli import watch

TEXT = "{name: grid, base: {data: digits, epochs: 3}, seeds: 2}"


def reach(results: Path, epochs: int) -> None:
    invented.write(results, TEXT, lambda _: np.full(epochs, -30.0))


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder of a sweep that trains an epoch whenever its watcher sleeps, the second time none."""
    left = [1, 1, 2, 3]
    reach(tmp_path, left.pop(0))
    monkeypatch.setattr(watch.time, "sleep", lambda _: reach(tmp_path, left.pop(0)))
    return tmp_path


def test_a_line_for_each_change_until_all_is_trained(growing: Path):
    ended = command("status", "grid", "--watch", "--results", growing)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split(", ")[-2] for line in ended.out.splitlines()] == [f"{n} of 6 epochs" for n in (2, 4, 6)]


def test_on_a_terminal_it_is_drawn_in_place_with_the_trials_that_run(growing: Path):
    console = Console(force_terminal=True, width=200, record=True)
    with console.capture() as shown:
        watch.watch(growing, "grid", console)
    frames = shown.get().split("\r")
    assert "2 of 6 epochs" in frames[0]
    assert any("epochs_done" in frame for frame in frames)
    assert "6 of 6 epochs" in shown.get()


@pytest.mark.parametrize(("options", "got"), [(("-w",), "no name"), (("grid", "-w", "--json"), "--json")])
def test_what_cannot_be_watched(tmp_path: Path, options: tuple[str, ...], got: str):
    ended = command("status", *options, "--results", tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"tmc-sweep: --watch must be given one sweep and no --json, but got {got}: "
        f"write `tmc-sweep status {options[0] if got == '--json' else 'NAME'} -w --results {tmp_path}`\n"
    )
