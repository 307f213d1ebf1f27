"""Results on stdout: a table for people, JSON or CSV for programs. One function for the result of each command."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.table import Table

from tmc_sweep.cli.terminal import console, line, show, show_text, table
from tmc_sweep.records import CELL_COLUMNS, COUNTS, DIFFERENCES, STATISTICS, Status
from tmc_sweep.statistics.comma_separated import as_csv
from tmc_sweep.statistics.labels import differing_fields, label, telling_fields
from tmc_sweep.statistics.ranking import ranked
from tmc_sweep.store.artefacts import over_seeds
from tmc_sweep.store.read import plain_rows
from tmc_sweep.text import amount, counted, plain

if TYPE_CHECKING:  # they load torch
    from tmc_sweep.cluster.jobs import Job
    from tmc_sweep.integrity.verify import Findings
    from tmc_sweep.objectives.toy import Gap

_TEXTS = (*(column.name for column in CELL_COLUMNS if column.dtype == "string"), "reason", "value", "baseline")
_ALONE = ("a_seeds_only", "b_seeds_only")
_WHERE_TOLD = {"earlier", "reason", *_ALONE}  # columns that are shown where a row has something in them
_DECIMALS = {"epoch_seconds", "a_mean", "b_mean", *STATISTICS, *DIFFERENCES, "standard_error"}
_REASON_WIDTH = 24  # at least
_LISTED = 6  # values of a field in a sentence
_SHOWN = 20  # running trials; a terminal has so many lines
_PROGRESS = ("attempts", "epochs_done", "epochs")


def show_json(value: object) -> None:
    """Print a value as one JSON document; ValueError if it holds NaN, which JSON has not."""
    show_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _show_data(frame: pd.DataFrame, as_json: bool) -> None:
    """Print a frame for programs: as JSON, with NaN and NA as null, or else as CSV."""
    if as_json:
        show_json(plain_rows(frame))
    else:
        show_text(as_csv(frame))


def show_summary(frame: pd.DataFrame, mode: Literal["max", "min"], *, as_json: bool, as_csv: bool) -> None:
    """Print the summary, a row per cell, and the cell with the best mean."""
    if as_json or as_csv:
        _show_data(frame, as_json)
    elif frame.empty:
        show("no epochs yet")
    else:
        rows = plain_rows(frame)
        names = telling_fields(rows)
        head = f"{rows[0]['metric']}, last {rows[0]['last']} epochs"
        columns = [*names, *STATISTICS, *COUNTS, "reason"]
        print_rows(head, columns, rows)
        _tell_best(ranked(frame, mode), mode, names)


def show_ranking(frame: pd.DataFrame, mode: Literal["max", "min"], *, as_json: bool) -> None:
    """Print cells by rank with their paired differences to the first, those without a rank and why, and the best."""
    rows = plain_rows(frame)
    if as_json:
        show_json({"mode": mode, "best": next((row["cell_id"] for row in rows if row["rank"]), None), "cells": rows})
    elif not rows:
        show("no trials yet")
    else:
        names = telling_fields(rows)
        differences = [*DIFFERENCES[:3], "n_common"] if sum(row["rank"] is not None for row in rows) > 1 else []
        columns = ["rank", *names, "mean", "std_epochs", "std_seeds", "n_seeds", *differences, "last_epoch", "reason"]
        head = f"{rows[0]['metric']}, last {rows[0]['last']} epochs ({mode})"
        head += "; each less the first, seed by seed, 95 % intervals" if differences else ""
        print_rows(head, columns, rows)
        _tell_best(frame, mode, names)


def _tell_best(frame: pd.DataFrame, mode: Literal["max", "min"], names: Sequence[str]) -> None:
    first = plain_rows(frame[:1])[0]
    short = frame[(frame["n_nonfinite"] == 0) & (frame["n_epochs"] > 0)]["n_epochs"]
    if first["rank"]:
        show(f"best ({mode}): {label(first, names)}")
    elif len(short) and (least := short.min()) < first["last"]:
        show(f"no cell has {first['last']} epochs yet: `--last {least}` takes those there are")


def show_evaluations(frame: pd.DataFrame, *, as_json: bool) -> None:
    """Print evaluations of one bound with one number of samples: in JSON a row per trial, in the table per cell."""
    if as_json:
        frame = frame.drop(columns="image_values")  # bytes, which JSON has none of
        show_json(plain_rows(frame.assign(time=frame["time"].map(pd.Timestamp.isoformat))))
        return
    cells = [_evaluated_cell(rows) for _, rows in frame.groupby("cell_id", sort=False)]
    bound, samples = frame["bound"].iloc[0], frame["samples"].iloc[0]
    columns = [*telling_fields(cells), "epoch", "mean", "std_seeds", "standard_error", "n_seeds", "seconds"]
    head = f"{bound} of the test images, {samples} samples"
    print_rows(head, columns, cells)


def _evaluated_cell(rows: pd.DataFrame) -> dict[str, Any]:
    first, last = rows["epoch"].min(), rows["epoch"].max()
    return {
        **over_seeds(rows),
        "epoch": str(last) if first == last else f"{first} to {last}",
        "seconds": f"{rows['seconds'].sum():.3g}",
    }


def show_differences(frame: pd.DataFrame, by: str, *, as_json: bool, as_csv: bool) -> None:
    """Print paired differences, a row per pair of cells; a sentence if there are none."""
    if as_json or as_csv:
        _show_data(frame, as_json)
    elif frame.empty:
        show(f"no two cells differ in {by} alone")
    else:
        rows = [{**row, by: row["value"]} for row in plain_rows(frame)]
        shared = [name for name in telling_fields(rows) if name != by]
        columns = ["value", "baseline", *shared, *DIFFERENCES, "n_seeds", "reason"]
        head = f"{rows[0]['metric']}, last {rows[0]['last']} epochs: {by}, value less baseline, 95 % intervals"
        print_rows(head, columns, rows)


def show_comparison(frame: pd.DataFrame, names: tuple[str, str], *, as_json: bool, as_csv: bool) -> None:
    """Print two sweeps beside each other, a row per cell of either; a sentence if no cell is in both."""
    has = {side: frame[f"{side}_last_epoch"].notna() for side in "ab"}
    if as_json or as_csv:
        _show_data(frame, as_json)
    elif frame.empty:
        show("no epochs yet")
    elif not (has["a"] & has["b"]).any():
        show(_nothing_in_common((names[0], frame[has["a"]]), (names[1], frame[has["b"]])))
    else:
        rows = [
            row | {side: ", ".join(map(str, row[side] or ())) or None for side in _ALONE} for row in plain_rows(frame)
        ]
        columns = [*telling_fields(rows), "a_mean", "b_mean", *DIFFERENCES, "n_seeds", *_ALONE, "reason"]
        head = f"{rows[0]['metric']}, last {rows[0]['last']} epochs: a is {names[0]}, b is {names[1]}; b less a"
        print_rows(f"{head}, 95 % intervals", columns, rows)


def _nothing_in_common(first: tuple[str, pd.DataFrame], second: tuple[str, pd.DataFrame]) -> str:
    """A sentence that says why two sweeps, given as name and cells, have no cell in common.

    It lists the fields of which the two have different values.
    """
    (name, ours), (other, theirs) = first, second
    if ours.empty or theirs.empty:
        return f"{name if ours.empty else other}: no epochs yet"
    fields = differing_fields(plain_rows(pd.concat([ours, theirs])))
    apart = [
        f"{field} is {_listed(ours[field])} in {name} and {_listed(theirs[field])} in {other}"
        for field in fields
        if ours[field].isin(theirs[field]).sum() == 0
    ]
    why = "; ".join(apart) or "both have each value of each field, but not together"
    return f"{name} and {other} have no cell in common: {why}"


def _listed(values: "pd.Series[Any]") -> str:
    found = [plain(value) for value in sorted(values.unique())]
    return ", ".join(found[:_LISTED] + ["…"] * (len(found) > _LISTED))


def show_status(status: Mapping[str, Any], *, as_json: bool) -> None:
    """Print how far one sweep is, a row per trial, with the fields in which trials differ."""
    if as_json:
        show_json(status)
        return
    trials = status["trials"]
    columns = ["trial_id", *differing_fields(trials), "seed", "earlier", "status", *_PROGRESS, "reason"]
    print_rows(headline(status), columns, trials)


def show_sweeps(sweeps: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print how far all sweeps are, a line each."""
    if as_json:
        show_json([{key: value for key, value in sweep.items() if key != "trials"} for sweep in sweeps])
    else:
        show(*map(headline, sweeps) if sweeps else ["no sweeps"])


def show_findings(name: str, findings: "Findings", *, as_json: bool) -> None:
    """Print a line per problem that `verify` found, or one that says that there is none."""
    counts = {count: getattr(findings, count) for count in ("parts", "trials", "epochs", "checkpoints")}
    if as_json:
        problems = [{"file": str(problem.file), "problem": problem.sentence} for problem in findings.problems]
        show_json({"name": name, **{f"n_{what}": count for what, count in counts.items()}, "problems": problems})
    elif findings.problems:
        show(*(problem.sentence for problem in findings.problems))
    else:
        said = ", ".join(counted(count, what[:-1]) for what, count in counts.items())
        show(f"{name}: {said}: all as they were written")


def show_gaps(gaps: Sequence["Gap"], head: str) -> None:
    """Print a row per proposal and K, with the mean of each bound's gap ± its standard error."""
    cells: dict[tuple[str, int], list[str]] = {}
    for gap in gaps:
        cells.setdefault((gap.proposal, gap.K), []).append(f"{gap.gap:.3f} ± {gap.standard_error:.3f}")
    bounds = dict.fromkeys(gap.bound for gap in gaps)
    print_table(head, ["proposal", "K", *bounds], [[name, str(k), *texts] for (name, k), texts in cells.items()])


def show_jobs(jobs: Sequence["Job"], *, as_json: bool) -> None:
    """Print jobs, a row each."""
    rows = [
        {
            "name": job.sweep,
            "state": job.state,
            "exit_code": job.exit_code,
            "started": job.started and job.started.isoformat(timespec="seconds"),
            "ended": job.ended and job.ended.isoformat(timespec="seconds"),
            "job": job.id,
        }
        for job in jobs
    ]
    if as_json:
        show_json(rows)
    elif not rows:
        show("no jobs")
    else:
        print_rows("jobs", list(rows[0]), rows)


def status_view(status: Mapping[str, Any]) -> RenderableType:
    """How far one sweep is, with its running trials, to be drawn on a terminal again and again."""
    running = [trial for trial in status["trials"] if trial["status"] == Status.RUNNING]
    columns = ["trial_id", *differing_fields(status["trials"]), "seed", *_PROGRESS]
    rows = [[as_text(trial[name], name) for name in columns] for trial in running[:_SHOWN]]
    more = [line(f"… and {len(running) - _SHOWN} more")] if len(running) > _SHOWN else []
    return Group(line(headline(status)), *([table(columns, rows, _TEXTS)] if rows else []), *more)


def headline(status: Mapping[str, Any]) -> str:
    """How far one sweep is, in a line."""
    counts = ", ".join(f"{status[f'n_{name}']} {name}" for name in Status if status[f"n_{name}"])
    epochs = f"{status['epochs_done']} of {status['epochs']} epochs"
    dropped = status["n_checkpoints_dropped"]
    checkpoints = f"{amount(status['checkpoint_bytes'])} of checkpoints" + (f" ({dropped} dropped)" if dropped else "")
    earlier = f", {status['n_earlier']} of earlier numerics" if status["n_earlier"] else ""
    return f"{status['name']}: {counted(status['n_trials'], 'trial')} ({counts}{earlier}), {epochs}, {checkpoints}"


def as_text(value: object, name: str) -> str:
    """A value as a table shows it in the column of this name; "-" for None."""
    if value is None:
        return "-"
    if isinstance(value, float) and name in _DECIMALS:
        return f"{value:.3f}" if math.isfinite(value) else str(value)
    return plain(value)


def print_rows(
    head: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], told: Collection[str] = _WHERE_TOLD
) -> None:
    """Print these columns of the rows; columns of `told` only if a row has something in them."""
    names = [name for name in columns if name not in told or any(row.get(name) for row in rows)]
    print_table(head, names, [[as_text(row[name], name) for name in names] for row in rows])


def print_table(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table under a head line. Values are never cut: on a narrow terminal, headers and reasons are broken."""
    out, shown = console(), table(columns, rows, _TEXTS)
    if out.is_terminal and _width(out, shown) > out.width:
        shown = table([name.replace("_", "_\n") for name in columns], rows, _TEXTS)
    width = _width(out, shown)
    spare = max(len(row[-1]) for row in rows) - _REASON_WIDTH if columns[-1] == "reason" else 0
    if out.is_terminal and width - spare <= out.width:
        shown.columns[-1].no_wrap, shown.columns[-1].overflow = False, "fold"  # a path is longer than a line
    else:
        out.width = max(out.width, width)
    out.print(line(head))
    out.print(shown)


def _width(out: Console, shown: Table) -> int:
    return out.measure(shown, options=out.options.update(width=10_000)).maximum
