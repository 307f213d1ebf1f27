"""What `run` shows while it trains: a live table on a terminal, lines elsewhere. Only durable epochs are shown.

The views are listeners of the sweep: the writer's thread calls them with a Snapshot after each commit.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar

from tmc_sweep.cli.terminal import line, table, tell
from tmc_sweep.records import ENDED, Status
from tmc_sweep.statistics.labels import label, telling_fields
from tmc_sweep.sweep.progress import Listener, Snapshot, TrialProgress
from tmc_sweep.text import duration

_LINE_SECONDS = 15.0  # between two lines about the whole sweep
_SHOWN = 20  # running trials, since a terminal has few lines


@contextmanager
def progress_view(console: Console, *, quiet: bool, verbose: bool) -> Iterator[Listener | None]:
    """A listener that shows progress while inside: None if quiet, a live table on a terminal, lines elsewhere."""
    if quiet:
        yield None
    elif console.is_terminal:
        view = LiveView()
        with Live(console=console, get_renderable=view.render, refresh_per_second=4, transient=True):
            yield view.listen
    else:
        yield LineView(console, verbose).listen


class LiveView:
    """A live table with a row for each running trial, and a bar and a line for the whole sweep."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._fields: list[str] = []
        self._started = time.monotonic()

    def listen(self, snapshot: Snapshot) -> None:
        """Keep the snapshot, which is drawn at the next `render`."""
        if self._snapshot is None or len(snapshot.trials) > len(self._snapshot.trials):
            self._fields = _fields(snapshot)
        self._snapshot = snapshot

    def render(self) -> RenderableType:
        """The table as it is now; rich calls this several times a second."""
        elapsed = time.monotonic() - self._started
        if self._snapshot is None:
            return line(f"starting Ray, {duration(elapsed)}")
        running = self._snapshot.with_status(Status.RUNNING)
        rows = [[label(each.config.row(), [*self._fields, "seed"]), *_cells(each)] for each in running[:_SHOWN]]
        shown = table(("trial", "epoch", "iwae", "tmc", "s/epoch"), rows, texts=["trial"])
        more = [line(f"… and {len(running) - _SHOWN} more")] if len(running) > _SHOWN else []
        return Group(shown, *more, self._bar(self._snapshot), line(overall(self._snapshot, elapsed)))

    def _bar(self, snapshot: Snapshot) -> RenderableType:
        to_come = snapshot.n_to_choose * snapshot.trials[0].config.epochs if snapshot.trials else 0
        total = sum(trial.config.epochs for trial in snapshot.trials) + to_come
        left = sum(trial.epochs_left for trial in snapshot.trials) + to_come
        return Group(ProgressBar(total=total, completed=total - left, width=60), line(""))  # a bar alone ends no line


class LineView:
    """A line when a trial ends, and now and then one for the whole."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose
        self._told: set[str] | None = None  # trials that have ended and were told, or had ended before
        self._fields: list[str] = []
        self._known = 0  # trials
        self._last_line = time.monotonic()

    def listen(self, snapshot: Snapshot) -> None:
        """Print a line for each trial that has ended since, and now and then one for the whole sweep."""
        ended = snapshot.with_status(*ENDED)
        if self._told is None:
            self._told = {trial.config.trial_id for trial in ended}
        if len(snapshot.trials) > self._known:
            self._known, self._fields = len(snapshot.trials), _fields(snapshot)
        for trial in ended:
            if trial.config.trial_id not in self._told:
                self._told.add(trial.config.trial_id)
                n_trials = len(snapshot.trials) + snapshot.n_to_choose
                tell(f"{len(self._told)}/{n_trials} {self._line(trial)}", to=self._console)
        if time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            tell(overall(snapshot, snapshot.elapsed_seconds), to=self._console)
            for trial in snapshot.with_status(Status.RUNNING) if self._verbose else ():
                tell(f"  {self._line(trial)}", to=self._console)

    def _line(self, trial: TrialProgress) -> str:
        epoch, iwae, tmc, seconds = _cells(trial)
        reason = f" ({trial.reason})" if trial.reason else ""
        name = label(trial.config.row(), [*self._fields, "seed"])
        return f"{name}: {trial.status}{reason}, epoch {epoch}, test iwae {iwae}, tmc {tmc}, {seconds} s/epoch"


def _fields(snapshot: Snapshot) -> list[str]:
    """The fields that name a trial here: those in which the trials differ, which become more as a search chooses."""
    return telling_fields([trial.config.row() for trial in snapshot.trials])


def overall(snapshot: Snapshot, elapsed_seconds: float) -> str:
    """The whole sweep in one line."""
    counts = {status: len(snapshot.with_status(status)) for status in Status}
    remaining = snapshot.remaining_seconds
    parts = [f"{counts[status]} {status}" for status in Status if counts[status]]
    parts += [f"{snapshot.n_to_choose} to choose"] if snapshot.n_to_choose else []
    eta = "" if remaining is None else f", about {duration(remaining)} left"
    n_trials = len(snapshot.trials) + snapshot.n_to_choose
    return f"{n_trials} trials: {', '.join(parts)}; {duration(elapsed_seconds)}{eta}"


def _cells(trial: TrialProgress) -> tuple[str, str, str, str]:
    last = trial.last
    epoch = f"{last.epoch if last else 0}/{trial.config.epochs}"
    return (
        (epoch, f"{last.test_iwae:.2f}", f"{last.test_tmc:.2f}", f"{last.epoch_seconds:.2f}")
        if last
        else (epoch, "-", "-", "-")
    )
