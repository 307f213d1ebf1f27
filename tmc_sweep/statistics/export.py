"""A sweep's tables for other programs: CSV, TensorBoard's event files, or a file store of MLflow.

To add a format, write a function such as `_csv` and enter it in `_WRITERS`. Packages that few need are imported inside
of the functions.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pyarrow import compute, csv

from tmc_sweep.errors import CannotRunError, InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.paths import SweepPaths, file_name
from tmc_sweep.records import CONFIG_COLUMNS, EPOCH_COLUMNS, MEASURED_COLUMNS, TRIAL_COLUMNS, Status
from tmc_sweep.statistics.comma_separated import texts
from tmc_sweep.statistics.labels import differing_fields, label
from tmc_sweep.store import files
from tmc_sweep.store.parquet import arrow_schema, read_table
from tmc_sweep.store.parts import read_rows
from tmc_sweep.store.present import part_files
from tmc_sweep.store.read import find, stored_trials

_NAMES = [column.name for column in MEASURED_COLUMNS]
_SCALARS = [name for name in _NAMES if name not in ("epoch", "attempt", "time")]
_TAGS = ("trial_id", "cell_id", "status", "reason", "host", "device", "engine", "versions", "git_commit")
_POINTS = 1_000  # of a metric, that MLflow takes at once
_ENDED = {Status.DONE: "FINISHED", Status.DIVERGED: "FAILED", Status.FAILED: "FAILED", Status.STOPPED: "KILLED"}


class Run(NamedTuple):
    """One trial that has epochs: what other programs call a run."""

    name: str
    row: Mapping[str, Any]  # its row of the trial table
    epochs: list[dict[str, Any]]  # MEASURED_COLUMNS of each, null as None

    @property
    def parameters(self) -> dict[str, Any]:
        """Its hyperparameters: the fields of its configuration, by column."""
        return {column.name: self.row[column.name] for column in CONFIG_COLUMNS}

    def scalars(self) -> Iterator[tuple[int, float, dict[str, float]]]:
        """For each epoch: its number, when it ended in seconds since 1970, and what was measured in it, by column."""
        for epoch in self.epochs:
            measured = {name: float(epoch[name]) for name in _SCALARS if epoch[name] is not None}
            yield epoch["epoch"], epoch["time"].timestamp(), measured


def export(path: str | Path, to: str, folder: Path) -> int:
    """Write the sweep whose epoch table is the folder `path` into a new folder; returns how many trials have epochs.

    `to` is csv, tensorboard or mlflow; in the last two each trial with epochs is a run.

    InputError if there is no such sweep or format, or the folder holds something; CannotRunError if the format's
    package is missing; StorageError if the tables are damaged or the folder cannot be written.
    """
    if to not in _WRITERS:
        hint = did_you_mean(to, _WRITERS) or ": choose one of them"
        raise InputError(f"--to must be one of {', '.join(_WRITERS)}, but got {to!r:.40}{hint}")
    paths = find(path)
    with files.explained("written", folder):
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"-o must name a new folder, but {folder} holds something: choose another name")
        try:
            return sum(1 for _ in _WRITERS[to](paths, folder))
        except ImportError as error:
            raise CannotRunError(
                f"--to {to} needs the package {_PACKAGES[to]}, but {error}: pip install {_PACKAGES[to]}"
            ) from None


def _runs(paths: SweepPaths) -> Iterator[Run]:
    rows = stored_trials(paths)
    names = [*differing_fields(list(rows.values())), "seed"]
    for part in part_files(paths):
        table = read_rows(part)
        for trial_id in table["trial_id"].unique().to_pylist():
            if trial_id in rows:  # the trial table was read before, and may lack a trial that began since
                epochs = table.filter(compute.equal(table["trial_id"], trial_id)).select(_NAMES).to_pylist()
                name = f"{file_name(label(rows[trial_id], names))} {trial_id}"  # TensorBoard's folder is called so too
                yield Run(name, rows[trial_id], epochs)


def _csv(paths: SweepPaths, folder: Path) -> Iterator[str]:
    """The trial table and the epoch table as they are: null is an empty field, and what is not finite is nan."""
    folder.mkdir(parents=True, exist_ok=True)
    csv.write_csv(texts(read_table(paths.trials, TRIAL_COLUMNS)), folder / f"{paths.name}.trials.csv")
    with csv.CSVWriter(folder / f"{paths.name}.epochs.csv", arrow_schema(EPOCH_COLUMNS)) as writer:
        for part in part_files(paths):
            table = read_rows(part).cast(arrow_schema(EPOCH_COLUMNS))
            writer.write_table(texts(table))
            yield from table["trial_id"].unique().to_pylist()


def _tensorboard(paths: SweepPaths, folder: Path) -> Iterator[str]:
    """A folder of event files for each run: its hyperparameters, and a step for each epoch."""
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.summary import hparams
    from tensorboardX.writer import FileWriter

    for run in _runs(paths):
        writer = FileWriter(folder / run.name)
        for summary in hparams(run.parameters, dict.fromkeys(_SCALARS)):
            writer.add_summary(summary)
        for epoch, seconds, measured in run.scalars():
            values = [Summary.Value(tag=name, simple_value=value) for name, value in measured.items()]
            writer.add_summary(Summary(value=values), epoch, seconds)
        writer.close()
        yield run.name


def _mlflow(paths: SweepPaths, folder: Path) -> Iterator[str]:
    """An experiment of the sweep's name: hyperparameters as parameters, a step for each epoch, tags for the rest."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # by default MLflow wants a data base
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=folder.absolute().as_uri())
    experiment = client.create_experiment(paths.name)
    for run in _runs(paths):
        points = [
            Metric(name, value, round(1e3 * seconds), epoch)
            for epoch, seconds, measured in run.scalars()
            for name, value in measured.items()
        ]
        started, ended = points[0].timestamp, points[-1].timestamp
        run_id = client.create_run(experiment, start_time=started, run_name=run.name).info.run_id
        parameters = [Param(name, str(value)) for name, value in run.parameters.items()]
        tags = [RunTag(name, str(run.row[name])) for name in _TAGS if run.row[name] is not None]
        client.log_batch(run_id, params=parameters, tags=tags)
        for start in range(0, len(points), _POINTS):
            client.log_batch(run_id, metrics=points[start : start + _POINTS])
        if status := _ENDED.get(Status(run.row["status"])):
            client.set_terminated(run_id, status, end_time=ended)
        yield run.name


_Writer = Callable[[SweepPaths, Path], Iterator[str]]  # writes a sweep into a folder, and yields once for each trial
_WRITERS: Mapping[str, _Writer] = MappingProxyType({"csv": _csv, "tensorboard": _tensorboard, "mlflow": _mlflow})
_PACKAGES = MappingProxyType({"tensorboard": "tensorboardX", "mlflow": "mlflow-skinny"})
