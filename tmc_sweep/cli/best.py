"""The command that ranks a sweep's cells, and writes the best one as a search space of its own."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from tmc_sweep.cli.app import Json, Last, Metric, Name, Results, app
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.terminal import tell
from tmc_sweep.commands import command
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.input_file import at_once
from tmc_sweep.paths import SweepPaths

if TYPE_CHECKING:
    import pandas as pd

    from tmc_sweep.space.schema import Statistic

_LONGEST = 64 - len("-best")  # characters of a sweep's name, to which "-best" is added


def _there(context: typer.Context, cluster: Path) -> None:
    if context.params["output"]:
        raise InputError(
            f"-o must write here, from tables that are here, but got --cluster {cluster}: leave one out, or bring the "
            f"tables with `tmc-sweep pull {context.params['name']} --cluster {cluster}` first"
        )
    forward(context, cluster)


@app.command()
@on_cluster(_there)
def best(
    name: Name,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File for a search space of the best cell.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that file.")] = False,
    last: Last = None,
    metric: Metric = None,
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """Rank a sweep's cells by its statistic. With -o also write the best one as a search space to run."""
    from tmc_sweep.cli.show import show_ranking
    from tmc_sweep.statistics.declared import declared_statistic
    from tmc_sweep.statistics.ranking import ranking

    paths = SweepPaths(results, name)
    statistic = declared_statistic(paths, last, metric)
    frame = ranking(paths.epochs, statistic.last, statistic.metric, statistic.mode)
    if output is not None:
        text = _search_space(paths, frame, statistic)
        _write(output, text, force)
        tell(_written(output, text, paths))
    show_ranking(frame, statistic.mode, as_json=as_json)


def _written(file: Path, text: str, paths: SweepPaths) -> str:
    """The line about the file that was written: a run of it is a sweep of its own, and trains everything again."""
    from tmc_sweep.space import parse
    from tmc_sweep.text import counted

    space = parse(text, str(file))
    go_on = command(f"run {quote(str(file))} --set name={paths.name}", paths.results)
    again = f"{counted(len(space.trials()), 'trial')} of {counted(space.cells[0].epochs, 'epoch')}"
    return (
        f"wrote {file}: the best cell, with the trials it has here, as a sweep of its own: a run of {space.name} "
        f"trains {again} again, while {go_on} trains only what they lack"
    )


def _search_space(paths: SweepPaths, frame: "pd.DataFrame", statistic: "Statistic") -> str:
    """The best cell's trials as a search space, in YAML.

    InputError if no cell has a known mean, or this version reads other configurations from the best one's trials.
    """
    from tmc_sweep.space.schema import Resources
    from tmc_sweep.space.write import one_cell
    from tmc_sweep.statistics.declared import last_run
    from tmc_sweep.store.read import plain_rows, stored_trials
    from tmc_sweep.store.trials import config_of

    first = next(iter(plain_rows(frame)), None)
    if first is None or first["rank"] is None:
        why = f" ({first['reason']})" if first else ""
        raise InputError(f"the best cell must have a known mean, but no cell has one{why}: train on, or lower --last")
    rows = [row for row in stored_trials(paths).values() if row["cell_id"] == first["cell_id"]]
    trials = [config for row in rows if (config := config_of(row))]
    if not trials:
        raise InputError(
            f"the best cell must have trials that this version names as they are named, but {first['cell_id']} has "
            "none: use the version of tmc_sweep that trained it"
        )
    space = last_run(paths)
    window = f"mean {statistic.metric} of epochs {first['first_epoch']} to {first['last_epoch']} over "
    return one_cell(
        f"{paths.name[:_LONGEST]}-best",
        max(trials, key=lambda config: config.epochs),
        sorted(config.seed for config in trials),
        statistic,
        space.resources if space else Resources(),
        f"Best cell of sweep {paths.name} ({statistic.mode}): {first['mean']:.6g}, {window}{first['n_seeds']} seeds.",
    )


def _write(path: Path, text: str, force: bool) -> None:
    try:
        with open(path, "w" if force else "x", encoding="utf-8", opener=at_once) as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"-o must name a new file, but {path} exists: choose another name, or add --force") from None
    except OSError as error:
        raise StorageError(
            f"-o must name a file that can be written, but {path} cannot ({error.strerror}): choose another name"
        ) from None
