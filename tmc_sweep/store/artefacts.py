"""The artefact tables: what was computed from checkpoints. A row replaces the one it repeats; all others stay.

They are written beside a running sweep too, by any number of processes: `artefact_lock` is held while one is rewritten.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EVALUATION_COLUMNS, LATENT_COLUMNS, RECONSTRUCTION_COLUMNS, Column
from tmc_sweep.store import files
from tmc_sweep.store.lock import artefact_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.parquet import arrow_schema, read_table, to_parquet
from tmc_sweep.store.read import plain_rows
from tmc_sweep.store.seal import damaged


class Artefact(NamedTuple):
    """One kind of artefact table."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]  # new rows replace all stored ones that agree with one of them here
    file: Callable[[SweepPaths], Path]


EVALUATIONS = Artefact(EVALUATION_COLUMNS, ("trial_id", "epoch", "bound", "samples"), lambda paths: paths.evaluations)
RECONSTRUCTIONS = Artefact(RECONSTRUCTION_COLUMNS, ("trial_id",), lambda paths: paths.reconstructions)
LATENTS = Artefact(LATENT_COLUMNS, ("trial_id",), lambda paths: paths.latents)
ARTEFACTS = (EVALUATIONS, RECONSTRUCTIONS, LATENTS)


def over_seeds(rows: pd.DataFrame) -> dict[str, Any]:
    """Evaluations of a cell's seeds as one row: mean and std (ddof 1), NaN if one is; mean of their standard errors."""
    values = rows["value"]
    return {
        **plain_rows(rows[:1])[0],
        "mean": float(values.mean(skipna=False)),
        "std_seeds": float(values.std(skipna=False)) if len(rows) > 1 else None,
        "standard_error": float(rows["standard_error"].mean(skipna=False)),
        "n_seeds": len(rows),
    }


def read_artefact(artefact: Artefact, paths: SweepPaths) -> pd.DataFrame:
    """The whole table, or an empty one with its columns; StorageError if it is damaged."""
    frame: pd.DataFrame = _stored(artefact, paths, None).to_pandas()
    return frame


def upsert(artefact: Artefact, paths: SweepPaths, rows: Iterable[Mapping[str, object]]) -> None:
    """Store these rows, durably, in place of those with their key; StorageError if the stored ones are damaged."""
    new = pa.Table.from_pylist([dict(row) for row in rows], arrow_schema(artefact.columns))
    manifest = read_manifest(paths)
    if manifest is None:
        raise damaged(paths.manifest, "it is missing")
    with artefact_lock(paths):
        stored = _stored(artefact, paths, manifest.sweep_id)
        table = pa.concat_tables([stored.filter(~_keys(artefact, stored).isin(_keys(artefact, new))), new])
        files.write(artefact.file(paths), to_parquet(table, manifest.sweep_id), paths.artefact_temporary)


def _keys(artefact: Artefact, table: pa.Table) -> pd.Index:
    return pd.MultiIndex.from_frame(table.select(artefact.key).to_pandas())


def _stored(artefact: Artefact, paths: SweepPaths, sweep_id: str | None) -> pa.Table:
    path = artefact.file(paths)
    if not path.exists():
        return arrow_schema(artefact.columns).empty_table()
    return read_table(path, artefact.columns, sweep_id)
