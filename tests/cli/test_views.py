"""What `run` shows while it trains."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from twin import small

from tmc_sweep.cli import progress
from tmc_sweep.cli.progress import LineView, LiveView, progress_view
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.sweep.progress import Snapshot, TrialProgress
from tmc_sweep.text import duration

EPOCH = {"epoch": 2, "test_iwae": -45.678, "test_tmc": -43.21, "epoch_seconds": 1.25}
RECORD = EpochRecord(**{**dict.fromkeys(EpochRecord.__slots__, None), **EPOCH})


def snapshot(*statuses: Status, remaining: float | None = 185.0, reason: str | None = None) -> Snapshot:
    """A trial with each status, seeds 0, 1, ...; those not pending have the epoch above."""
    trials = [
        TrialProgress(small(seed=seed), status, None if status is Status.PENDING else RECORD, reason)
        for seed, status in enumerate(statuses)
    ]
    return Snapshot(tuple(trials), 61.0, remaining)


def console(**options: object) -> Console:
    return Console(file=StringIO(), width=200, **options)


def printed(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


def drawn(view: LiveView) -> list[str]:
    terminal = Console(file=StringIO(), width=100, force_terminal=True, record=True, legacy_windows=False)
    terminal.print(view.render())
    return [line.rstrip() for line in terminal.export_text().splitlines()]


def test_lines_tell_of_each_trial_once_as_it_ends():
    out = console()
    view = LineView(out, verbose=False)
    view.listen(snapshot(Status.DONE, Status.RUNNING, Status.RUNNING))  # done before this run
    assert printed(out) == []
    for _ in range(2):
        view.listen(snapshot(Status.DONE, Status.DONE, Status.RUNNING))
    view.listen(snapshot(Status.DONE, Status.DONE, Status.DIVERGED, reason="not finite in epoch 2"))
    assert printed(out) == [
        "2/3 iwae 12-4 K=2 lr=0.001 seed=1: done, epoch 2/3, test iwae -45.68, tmc -43.21, 1.25 s/epoch",
        "3/3 iwae 12-4 K=2 lr=0.001 seed=2: diverged (not finite in epoch 2), epoch 2/3, "
        "test iwae -45.68, tmc -43.21, 1.25 s/epoch",
    ]


@pytest.mark.parametrize("verbose", [False, True])
def test_lines_tell_now_and_then_of_the_whole_and_if_verbose_of_what_runs(verbose: bool, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    out = console()
    LineView(out, verbose).listen(snapshot(Status.RUNNING, Status.PENDING))
    overall, *rest = printed(out)
    assert overall == "2 trials: 1 pending, 1 running; 1 min 1 s, about 3 min 5 s left"
    assert [line.split(":")[0].strip() for line in rest] == ["iwae 12-4 K=2 lr=0.001 seed=0"] * verbose


def test_the_live_view_says_that_ray_is_starting_until_there_is_something_to_show():
    assert drawn(LiveView()) == ["starting Ray, 0 s"]


def test_the_live_view_shows_running_trials_with_both_bounds_their_pace_and_the_time_left():
    view = LiveView()
    view.listen(snapshot(Status.RUNNING, Status.PENDING, Status.DONE))
    head, trial, bar, overall = drawn(view)
    assert head.split() == ["trial", "epoch", "iwae", "tmc", "s/epoch"]
    assert trial.split() == ["iwae", "12-4", "K=2", "lr=0.001", "seed=0", "2/3", "-45.68", "-43.21", "1.25"]
    assert set(bar) <= set("━╸╺")
    assert overall == "3 trials: 1 pending, 1 running, 1 done; 0 s, about 3 min 5 s left"


def test_the_live_view_before_the_first_epoch_foretells_nothing():
    view = LiveView()
    begun = snapshot(Status.RUNNING, remaining=None)
    view.listen(replace(begun, trials=(replace(begun.trials[0], last=None),)))
    _, trial, _, overall = drawn(view)
    assert trial.split()[-4:] == ["0/3", "-", "-", "-"]
    assert overall == "1 trials: 1 running; 0 s"


def test_the_live_view_fits_a_terminal_however_many_trials_run():
    view = LiveView()
    view.listen(snapshot(*[Status.RUNNING] * 50))
    lines = drawn(view)
    assert len(lines) == 24
    assert lines[21] == "… and 30 more"


def test_the_view_is_live_on_a_terminal_lines_elsewhere_and_nothing_if_quiet():
    for terminal, quiet, kind in ((True, False, LiveView), (False, False, LineView), (True, True, type(None))):
        out = console(force_terminal=terminal)
        with progress_view(out, quiet=quiet, verbose=False) as listener:
            assert isinstance(getattr(listener, "__self__", None), kind)
        assert not (quiet and printed(out))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_what_a_search_is_yet_to_choose_counts_in_the_whole():
    standing = replace(snapshot(Status.DONE, Status.RUNNING), n_to_choose=6)
    assert (
        progress.overall(standing, 61.0) == "8 trials: 1 running, 1 done, 6 to choose; 1 min 1 s, about 3 min 5 s left"
    )
    view, out = LineView(console(), verbose=False), console()
    view._console = out
    view.listen(replace(snapshot(Status.RUNNING), n_to_choose=7))
    view.listen(standing)
    assert printed(out)[0].startswith("1/8 iwae 12-4 K=2")


def test_the_fields_that_tell_trials_apart_are_those_of_all_that_are_known_by_now():
    other = TrialProgress(small(weight_norm=True), Status.RUNNING, RECORD)
    one = snapshot(Status.RUNNING)
    for view in (LiveView(), LineView(console(), verbose=False)):
        view.listen(one)
        assert "weight_norm" not in view._fields
        view.listen(replace(one, trials=(*one.trials, other)))
        assert "weight_norm" in view._fields
