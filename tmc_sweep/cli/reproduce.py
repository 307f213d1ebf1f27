"""The command that trains a stored trial again and compares it with its record."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmc_sweep.cli.app import Json, Quiet, Results, app
from tmc_sweep.cli.terminal import bar, messages, show, tell

if TYPE_CHECKING:  # they load torch
    from tmc_sweep.integrity.reproduce import Difference, Listener, Reproduction

_LINE_SECONDS = 15.0


@app.command()
def reproduce(
    trial: Annotated[str, typer.Argument(help="Name of a trial, or how it begins.", show_default=False)],
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Its sweep; default: the one that has it.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Only its first epochs; default: all.", show_default=False)
    ] = None,
    results: Results = Path("results"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a stored trial again and compare it bit for bit. Without Ray; writes nothing."""
    from tmc_sweep.cli.show import show_json
    from tmc_sweep.integrity.reproduce import reproduce as train_again
    from tmc_sweep.integrity.stored_trial import find_trial

    stored = find_trial(results, trial, sweep)
    with _progress(quiet) as listener:
        found = train_again(stored, epochs, listener)
    if as_json:
        show_json(_plain(found))
    else:
        show(*_lines(found))
    if found.difference:
        raise typer.Exit(1)


def _lines(found: "Reproduction") -> Iterator[str]:
    from tmc_sweep.records import CONFIG_COLUMNS
    from tmc_sweep.statistics.labels import label, telling_fields

    row = found.trial.row
    names = [*telling_fields([{column.name: row[column.name] for column in CONFIG_COLUMNS}]), "seed"]
    head = f"{row['trial_id']} of {found.trial.paths.name} ({label(row, names)})"
    if found.difference is None:
        yield f"{head}: all values of {found.epochs} epochs are equal to the bit"
    else:
        before = f", after {found.n_equal} equal ones" if found.n_equal else ""
        yield f"{head}: epoch {found.difference.epoch} differs{before}: {_by_how_much(found.difference)}"
    yield from (f"  {what}: {recorded} on record, {here} here" for what, recorded, here in found.means)
    yield from (f"  not promised to be equal: {doubt}" for doubt in found.doubts)


def _by_how_much(difference: "Difference") -> str:
    _, column, recorded, here = difference
    text = f"{column} is {here!r} here, {recorded!r} on record"
    if recorded is None or here is None or not math.isfinite(here - recorded):
        return text
    return f"{text}: {here - recorded:+.3g}"


def _plain(found: "Reproduction") -> dict[str, Any]:
    difference = found.difference and {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in found.difference._asdict().items()
    }
    return {
        "trial_id": found.trial.config.trial_id,
        "sweep": found.trial.paths.name,
        "epochs": found.epochs,
        "n_equal": found.n_equal,
        "difference": difference,
        "means": [means._asdict() for means in found.means],
        "doubts": list(found.doubts),
        "search_space": _search_space(found),
    }


def _search_space(found: "Reproduction") -> str | None:
    """The YAML that the trial last ran under."""
    from tmc_sweep.store.manifest import read_manifest

    manifest, name = read_manifest(found.trial.paths), found.trial.row["search_space"]
    return manifest.search_space_named(str(name)) if manifest and name else None


@contextmanager
def _progress(quiet: bool) -> "Iterator[Listener]":
    """A listener that shows how many epochs were compared: a bar on a terminal, else a line now and then."""
    if quiet:
        yield lambda *_: None
    elif not messages.is_terminal:
        yield _Lines()
    else:
        with bar("epoch {task.completed:.0f}/{task.total:.0f}, equal so far", messages) as drawn:
            task = drawn.add_task("epochs", total=0)
            yield lambda done, total: drawn.update(task, completed=done, total=total)


class _Lines:
    """A listener that prints a line every fifteen seconds."""

    def __init__(self) -> None:
        self._last_line = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            tell(f"epoch {done}/{total}, equal so far")
