"""The entry of the command line, the options that commands share, and the commands about one sweep.

Results go to stdout, everything else to stderr. A user's mistake is one sentence and an exit code, never a traceback.
"""

import logging
import sys
from importlib.metadata import version
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from tmc_sweep.cli.forward import forward, on_cluster, run_there
from tmc_sweep.cli.load import load_space
from tmc_sweep.cli.terminal import console, messages, show, tell, warnings
from tmc_sweep.commands import INSTALL_RAY, RESULTS, command
from tmc_sweep.errors import CannotRunError, InputError, StorageError, TmcSweepError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.supervision import supervised

MAX_TRIALS = 100_000

app = typer.Typer(
    name="tmc-sweep",
    help="Hyperparameter sweeps of Tensor Monte-Carlo and importance-weighted autoencoders on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(help="Search space, such as search_spaces/quickstart.yaml.", show_default=False)]
Name = Annotated[str, typer.Argument(help="Name of a sweep, as in its search space.", show_default=False)]
Results = Annotated[Path, typer.Option("--results", help="Folder that holds the sweeps' tables.", envvar=RESULTS)]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
MaxTrials = Annotated[int, typer.Option("--max-trials", min=1, help="Refuse search spaces with more trials.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="In place of what the file has, such as epochs=10; repeatable."),
]
Last = Annotated[int | None, typer.Option("--last", help="Epochs in the window; default: as in the search space.")]
Metric = Annotated[str | None, typer.Option("--metric", help="Column; default: as in the search space.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Publish = Annotated[
    str | None,
    typer.Option(
        "--publish",
        metavar="PLACE",
        help="Keep a copy of the tables there: a folder, or s3://BUCKET/PATH.",
        envvar="TMC_SWEEP_PUBLISH",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also a line every few seconds for each running trial.")]


def main(*, in_process: bool = False) -> None:
    """Run the command line, and exit with the codes that the README lists.

    `run` goes on in a child process, which `supervision` explains, unless `in_process`, for tests, or without Ray.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # for characters that the terminal's encoding lacks, such as ±
    if sys.argv[1:2] == ["run"] and not (in_process or _is_inline(sys.argv)):
        supervised()
    logging.getLogger("tmc_sweep").addHandler(warnings)
    try:
        app()
    except TmcSweepError as error:
        first, *more = error.lines
        tell(f"tmc-sweep: {first}", *more)
        sys.exit(error.exit_code)
    except OSError as error:  # such as a folder that one may not enter
        tell(f"tmc-sweep: {error.filename or 'a file'}: {error.strerror or error}")
        sys.exit(StorageError.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        tell(f"tmc-sweep: this needs the package ray, but it is missing: run {INSTALL_RAY}")
        sys.exit(CannotRunError.exit_code)
    except RuntimeError as error:  # what Ctrl-C becomes while a class is being made at an import
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        sys.exit(_interrupted())
    except SystemExit as leaving:
        sys.exit(_interrupted() if leaving.code == _SIGINT else leaving.code)  # after Ctrl-C typer says nothing


def check_one_format(what: str, as_json: bool, as_csv: bool) -> None:
    """InputError if both JSON and CSV are asked for; `what` is the noun for what is shown."""
    if as_json and as_csv:
        raise InputError(f"{what} must have one format, but got --json and --csv: leave one out")


def _is_inline(arguments: list[str]) -> bool:
    """Whether a run trains in this process: a debugger may be attached to it, and no Ray can end it."""
    return "--executor=inline" in arguments or ("--executor", "inline") in pairwise(arguments)


def _interrupted() -> int:
    tell("tmc-sweep: stopped by SIGINT")
    return _SIGINT


_SIGINT = 130  # the exit code after Ctrl-C
_ANY = "NAME"  # in an advice: of whichever sweep


@app.callback(invoke_without_command=True)
def _options(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        show(f"tmc-sweep {version('tmc-sweep')}")
        raise typer.Exit


@app.command()
@on_cluster(run_there)
def run(
    file: File,
    results: Results = Path("results"),
    assignments: Set = None,
    max_trials: MaxTrials = MAX_TRIALS,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    publish: Publish = None,
    executor: Annotated[
        str, typer.Option("--executor", help="ray, or inline: one pack at a time in this process, without Ray.")
    ] = "ray",
) -> None:
    """Train the missing trials of a search space. Run it again to resume or extend; it ends with the summary."""
    from tmc_sweep.cli.changes import describe_changes
    from tmc_sweep.cli.progress import progress_view
    from tmc_sweep.cli.show import show_summary

    space = load_space(file, max_trials, assignments)
    for line in describe_changes(space, results):
        tell(line)
    from tmc_sweep.sweep.runner import run as run_sweep

    with progress_view(messages, quiet=quiet, verbose=verbose) as listener:
        result = run_sweep(space, results, listener, publish, executor)
    show_summary(result.summary, space.statistic.mode, as_json=as_json, as_csv=False)
    for trial in result.failed:
        tell(f"trial {trial.config.trial_id} failed: {trial.reason}")
    tell(f"tables: {result.paths.epochs} (every epoch), {result.paths.trials}, {result.paths.summary}")
    if result.behind:
        raise StorageError(f"the copy is behind: {result.behind}; running again brings it up to date")
    if result.failed:
        raise typer.Exit(1)


def _plan_there(context: typer.Context, cluster: Path) -> None:
    if on := context.params["on"]:
        raise InputError(
            "--on plans here for machines that need not be up, --cluster on the head of some that are, but got "
            f"--on {on} and --cluster {cluster}: leave one out"
        )
    forward(context, cluster)


@app.command()
@on_cluster(_plan_there)
def plan(
    file: File,
    results: Results = Path("results"),
    assignments: Set = None,
    max_trials: MaxTrials = MAX_TRIALS,
    slots: Annotated[
        int | None,
        typer.Option("--slots", min=1, help="Packs that train at once; default: as `run` would find room for."),
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option(
            "--on",
            metavar="FILE",
            help="Plan for the machines of this file of `ray up`, up or not, and their prices.",
            show_default=False,
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Measure a few steps here, of each shape that was never trained here.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run would train, and for how long. Trials, packs, memory, what is left, cost; trains nothing."""
    from tmc_sweep.cli.changes import describe_changes
    from tmc_sweep.cli.plan import plan_of
    from tmc_sweep.cli.show_plan import show_plan

    if on and (slots or probe):
        raise InputError(
            f"--on must be given without {'--slots' if slots else '--probe'}, which is about this machine, "
            "but got both: leave one out"
        )
    space = load_space(file, max_trials, assignments)
    for line in describe_changes(space, results):
        tell(line)
    show_plan(plan_of(space, results, slots=slots, on=on, probe=probe), as_json=as_json)


@app.command()
def validate(file: File, assignments: Set = None, max_trials: MaxTrials = MAX_TRIALS) -> None:
    """Check a search space and the data sets it names. Trains nothing."""
    from tmc_sweep.images import load as load_data
    from tmc_sweep.shapes import try_out_own
    from tmc_sweep.text import counted

    space = load_space(file, max_trials, assignments)
    try_out_own(space.cells)
    data = sorted({cell.data for cell in space.cells})
    for name in data:
        load_data(name)
    chosen = ", each chosen from what came of those before," if space.adaptive else ","
    size = f"{counted(space.n_cells * len(space.seeds), 'trial')} in {counted(space.n_cells, 'cell')}"
    show(f"{file}: {size}{chosen} data {', '.join(data)}")


@app.command()
@on_cluster(forward)
def status(
    name: Annotated[
        str | None, typer.Argument(help="Name of a sweep; all of them without it.", show_default=False)
    ] = None,
    results: Results = Path("results"),
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again until all is trained.")] = False,
) -> None:
    """Show how far one sweep is, or all sweeps are."""
    from tmc_sweep.cli.show import show_status, show_sweeps
    from tmc_sweep.cli.status import sweep_status
    from tmc_sweep.store.present import sweep_names

    if watch:
        from tmc_sweep.cli.watch import watch as look_on

        if name is None or as_json:
            raise InputError(
                "--watch must be given one sweep and no --json, but got "
                f"{'--json' if name else 'no name'}: write {command(f'status {name or _ANY} -w', results)}"
            )
        look_on(results, name, console())
    elif name is not None:
        show_status(sweep_status(results, name), as_json=as_json)
    else:
        statuses, damaged = [], []
        for sweep in sweep_names(results):
            try:
                statuses.append(sweep_status(results, sweep))
            except TmcSweepError as error:
                damaged.append(error)
        show_sweeps(statuses, as_json=as_json)
        for problem in damaged:
            tell(f"tmc-sweep: {problem}")
        if damaged:
            raise typer.Exit(StorageError.exit_code)


@app.command()
@on_cluster(forward)
def verify(name: Name, results: Results = Path("results"), as_json: Json = False) -> None:
    """Check every stored file of a sweep to the bit. Changes nothing; may run beside `run`."""
    from tmc_sweep.cli.show import show_findings
    from tmc_sweep.integrity import verify

    paths = verify.known_sweep(results, name)
    findings = verify.verify(paths)
    show_findings(name, findings, as_json=as_json)
    if findings.problems:
        raise typer.Exit(StorageError.exit_code)


@app.command()
@on_cluster(forward)
def repair(name: Name, results: Results = Path("results")) -> None:
    """Set aside broken files, restore rows from checkpoints. Deletes nothing."""
    from tmc_sweep.integrity.repair import repair as mend
    from tmc_sweep.integrity.verify import known_sweep

    mended = mend(known_sweep(results, name))
    show(*mended.done or [f"{name}: nothing to mend"])
    if mended.to_train:
        show("the next run trains again:", *mended.to_train)


@app.command()
@on_cluster(forward)
def prune(
    name: Name,
    keep: Annotated[
        float | None,
        typer.Option("--keep-gigabytes", min=0, help="What may stay; default: as in the search space."),
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Delete checkpoints of finished trials. The oldest first, until all take no more than this."""
    from tmc_sweep.cli.status import declared_gigabytes
    from tmc_sweep.store.checkpoint_budget import prune as drop
    from tmc_sweep.store.read import find
    from tmc_sweep.text import counted, gigabytes

    paths = find(SweepPaths(results, name).epochs)
    pruned = drop(paths, declared_gigabytes(paths) if keep is None else keep)
    show(
        f"{name}: dropped the checkpoints of {counted(pruned.trials, 'finished trial')} "
        f"({gigabytes(pruned.freed)}), {gigabytes(pruned.left)} are left"
    )


@app.command()
@on_cluster(forward)
def summary(
    name: Name,
    last: Last = None,
    metric: Metric = None,
    results: Results = Path("results"),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Print each cell's mean ± std over the last epochs."""
    from tmc_sweep.cli.show import show_summary
    from tmc_sweep.statistics.declared import declared_statistic
    from tmc_sweep.statistics.summary import summarize

    check_one_format("a summary", as_json, as_csv)
    paths = SweepPaths(results, name)
    statistic = declared_statistic(paths, last, metric)
    frame = summarize(paths.epochs, statistic.last, statistic.metric)
    show_summary(frame, statistic.mode, as_json=as_json, as_csv=as_csv)
