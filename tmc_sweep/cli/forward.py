"""The option `--cluster FILE`: the same command, run on the head of the cluster that `ray up FILE` made.

A command gets the option by the decorator `on_cluster(elsewhere)`. Most commands give `forward`, which sends the whole
command line to the head; `run` gives `run_there`.
"""

import inspect
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from shlex import quote
from signal import SIGINT, SIGTERM
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from tmc_sweep.cli.load import load_space
from tmc_sweep.cli.terminal import show_text, tell
from tmc_sweep.errors import CannotRunError, InputError, SweepBusyError, SweepInterruptedError

if TYPE_CHECKING:  # they load Ray
    from tmc_sweep.cluster.ssh import Head

Cluster = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        metavar="FILE",
        help="Do it on the head of the cluster that `ray up FILE` made, over SSH.",
        show_default=False,
    ),
]
Elsewhere = Callable[[typer.Context, Path], None]

_NOT_BEGUN = (InputError.exit_code, CannotRunError.exit_code, SweepBusyError.exit_code)  # of a run that stored nothing
_HERE = ("cluster", "file", "assignments")  # arguments that are not sent, since they are dealt with here
_RUN_HERE = (*_HERE, "executor", "results", "quiet", "verbose", "as_json")  # the same of `run`
_PAUSES = (1.0, 5.0, 15.0)  # seconds between a connection that broke and the next try, one after another
_LASTING_SECONDS = 60.0  # a connection that lasted so long begins these pauses anew


def on_cluster(elsewhere: Elsewhere) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command the option `--cluster FILE`, with which `elsewhere` is called in its place."""

    def with_option(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def verb(context: typer.Context, cluster: Path | None, **arguments: Any) -> None:
            if cluster is None:
                function(**arguments)
            else:
                elsewhere(context, cluster)

        parameters = [
            *inspect.signature(function, eval_str=True).parameters.values(),
            inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
            inspect.Parameter("cluster", inspect.Parameter.KEYWORD_ONLY, annotation=Cluster, default=None),
        ]
        verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        verb.__annotations__ = {each.name: each.annotation for each in parameters}
        return verb

    return with_option


def forward(context: typer.Context, cluster: Path) -> None:
    """Run the command with its arguments on the head, and exit with its code.

    A search space is read here, and sent with the overrides in it.
    """
    given = context.params
    space = load_space(given["file"], given["max_trials"], given["assignments"]) if "file" in given else None
    head = _head(cluster)
    file = [head.send(space)] if space else []
    terminal = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    raise typer.Exit(head.run(_script(str(context.command.name), file, _given(context, _HERE)), terminal=terminal))


def run_there(context: typer.Context, cluster: Path) -> None:
    """Submit the sweep there, or join the job that already runs; follow its log, then bring the tables here."""
    from tmc_sweep.cli.show import show_summary
    from tmc_sweep.cluster.fetch import fetch
    from tmc_sweep.statistics.summary import summarize

    given = context.params
    if given["executor"] != "ray":
        raise InputError(
            f"--cluster trains on the Ray of that cluster, but got --executor {given['executor']}: leave one out"
        )
    space = load_space(given["file"], given["max_trials"], given["assignments"])
    head = _head(cluster)
    script = _script("submit", [head.send(space), "--follow"], _given(context, _RUN_HERE))
    try:
        log = sys.stderr if given["as_json"] else sys.stdout
        code = _quietly(head, script) if given["quiet"] else _followed(head, script, log)
    except (KeyboardInterrupt, SweepInterruptedError) as left:
        raise SweepInterruptedError(
            f"{space.name} runs on: the same command follows it again, "
            f"`tmc-sweep stop {space.name} --cluster {cluster}` stops it",
            SIGINT if isinstance(left, KeyboardInterrupt) else SIGTERM,
        ) from None
    if code not in _NOT_BEGUN:
        paths = fetch(head, space.name, given["results"])
        if given["quiet"] or given["as_json"]:
            frame = summarize(paths.epochs, space.statistic.last, space.statistic.metric)
            show_summary(frame, space.statistic.mode, as_json=given["as_json"], as_csv=False)
        tell(f"tables, brought here: {paths.epochs} (every epoch), {paths.trials}, {paths.summary}")
    raise typer.Exit(code)


def _head(cluster: Path) -> "Head":
    """The head of a cluster, which has our version of tmc-sweep; errors as `find_head` and `check_version`."""
    from tmc_sweep.cluster.launcher import find_head

    head = find_head(cluster)
    head.check_version()
    return head


def _given(context: typer.Context, left_out: tuple[str, ...]) -> Iterator[str]:
    """The arguments that the command line gave, except those to leave out, as words quoted for a shell."""
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in left_out or source is None or source.name != "COMMANDLINE":
            continue
        given, option = context.params[name], parameter.opts[0]
        for value in given if isinstance(given, list | tuple) else [given]:
            said = str(value) if parameter.param_type_name == "argument" else f"{option}={value}"
            yield option if value is True else quote(said)


def _script(verb: str, first: list[str], then: Iterator[str]) -> str:
    return " ".join(["exec tmc-sweep", verb, *first, *then])


def _followed(head: "Head", script: str, out: IO[str]) -> int:
    """The exit code of a script that is run again when the connection breaks, and must be one that may be.

    CannotRunError if the head stays away.
    """
    from tmc_sweep.cluster.ssh import HeadLostError

    pauses = list(_PAUSES)
    while True:
        began = time.monotonic()
        try:
            return head.run(script, out=out)
        except HeadLostError as lost:
            pauses = list(_PAUSES) if time.monotonic() - began > _LASTING_SECONDS else pauses
            if not pauses:
                raise CannotRunError(f"{lost}; what runs there goes on, the same command follows it again") from None
            tell(f"tmc-sweep: {lost}; trying again in {pauses[0]:g} s")
            time.sleep(pauses.pop(0))


def _quietly(head: "Head", script: str) -> int:
    """As `_followed`, but what the script writes is shown only if it fails."""
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        if code := _followed(head, f"{script} 2>&1", said):
            said.seek(0)
            show_text(said.read(), err=True)
        return code
