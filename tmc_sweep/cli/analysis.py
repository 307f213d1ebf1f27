"""The commands that look closer at a sweep: at its trained models, and at differences between its cells."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmc_sweep.cli.app import Csv, Json, Last, Metric, Name, Quiet, Results, app, check_one_format
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.terminal import bar, messages, show, tell
from tmc_sweep.paths import SweepPaths
from tmc_sweep.registry import BOUNDS
from tmc_sweep.text import visible

if TYPE_CHECKING:  # what they load is not for every command
    from rich.progress import Progress, TaskID

    from tmc_sweep.analysis.analyse import Analysed
    from tmc_sweep.analysis.evaluation import EvaluationProgress, Listener
    from tmc_sweep.analysis.trained import Chosen
    from tmc_sweep.config import TrialConfig

Trials = Annotated[
    list[str] | None,
    typer.Option("--trial", help="Name of a trial, several if given again; default: all.", show_default=False),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda; auto is a GPU where there is one.")]


@app.command()
def evaluate(
    name: Name,
    objective: Annotated[str, typer.Option("--objective", help=f"Bound: {BOUNDS.rule}.")] = "iwae",
    samples: Annotated[int, typer.Option("--samples", help="Samples per latent.")] = 5000,
    trial: Trials = None,
    device: Device = "auto",
    results: Results = Path("results"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Evaluate a bound with many samples, on the test images. From the newest checkpoints; only what is missing."""
    from tmc_sweep.analysis.evaluation import evaluate as evaluate_trials
    from tmc_sweep.analysis.trained import choose
    from tmc_sweep.cli.show import show_evaluations

    chosen = choose(SweepPaths(results, name), trial or ())
    with _progress(chosen, quiet) as listener:
        frame = evaluate_trials(chosen, objective, samples, device, listener)
    show_evaluations(frame, as_json=as_json)
    _tell_of_those_left_out(chosen)


@app.command()
def analyse(
    name: Name,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", min=1, max=10_000, help="Samples to average over; default: eval_k.", show_default=False
        ),
    ] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="Images to reconstruct, of each class alike.")] = 20,
    trial: Trials = None,
    device: Device = "auto",
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """Store reconstructions and two-dimensional latents. From the newest checkpoints; only what is missing."""
    from tmc_sweep.analysis.analyse import analyse as analyse_trials
    from tmc_sweep.analysis.trained import choose
    from tmc_sweep.cli.show import show_json

    chosen = choose(SweepPaths(results, name), trial or ())
    names = _Names(chosen)
    found = []
    for analysed in analyse_trials(chosen, samples, images, device):
        fields = analysed._asdict()
        found.append({"trial_id": fields.pop("config").trial_id, **fields})
        if not as_json:
            show(_line(names.of(analysed.config), analysed))
    if as_json:
        show_json(found)
    _tell_of_those_left_out(chosen)


@app.command()
@on_cluster(forward)
def differences(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="Field whose values are compared.")] = "objective",
    last: Last = None,
    metric: Metric = None,
    results: Results = Path("results"),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Compare cells that differ in one field, seed by seed. With 95 % intervals over the seeds they share."""
    from tmc_sweep.cli.show import show_differences
    from tmc_sweep.statistics.paired import paired_differences

    check_one_format("differences", as_json, as_csv)
    frame = paired_differences(SweepPaths(results, name).epochs, by, last, metric)
    show_differences(frame, by, as_json=as_json, as_csv=as_csv)


class _Names:
    """What a line calls each trial: the fields in which those chosen differ."""

    def __init__(self, chosen: "Chosen") -> None:
        from tmc_sweep.statistics.labels import telling_fields

        self._fields = [*telling_fields([config.row() for config in chosen.epochs]), "seed"]

    def of(self, config: "TrialConfig") -> str:
        from tmc_sweep.statistics.labels import label

        return label(config.row(), self._fields)


@contextmanager
def _progress(chosen: "Chosen", quiet: bool) -> "Iterator[Listener]":
    """A listener that shows how far an evaluation is: a bar on a terminal, else a line when a trial is done."""
    names = _Names(chosen)
    if quiet:
        yield lambda _: None
    elif not messages.is_terminal:
        yield lambda progress: _tell(names, progress)
    else:
        with bar("{task.description}", messages) as drawn:
            yield partial(_advance, drawn, drawn.add_task("reading checkpoints"), names)


def _advance(drawn: "Progress", task: "TaskID", names: _Names, progress: "EvaluationProgress") -> None:
    drawn.update(
        task,
        description=visible(f"{progress.position}/{progress.trials} {names.of(progress.config)}"),
        total=progress.trials,
        completed=progress.position - 1 + progress.share,
    )


def _tell(names: _Names, progress: "EvaluationProgress") -> None:
    if progress.share == 1:
        tell(f"{progress.position}/{progress.trials} {names.of(progress.config)}: evaluated")


def _line(name: str, analysed: "Analysed") -> str:
    if not analysed.n_reconstructions:
        return f"{name}: epoch {analysed.epoch}, nothing stored: what its model gives is not finite"
    voted = "" if analysed.accuracy is None else f", 10-nearest-neighbour accuracy {analysed.accuracy:.1%}"
    return f"{name}: epoch {analysed.epoch}, {analysed.n_reconstructions} reconstructions{voted}"


def _tell_of_those_left_out(chosen: "Chosen") -> None:
    if chosen.without:
        names = ", ".join(config.trial_id for config in chosen.without)
        tell(f"left out, since they have no checkpoint: {names}")
    if chosen.left_out:
        tell(chosen.left_out)
