"""The artefact tables: what `evaluate` and `analyse` computed from checkpoints.

New rows replace those with the same key, and all others stay. The tables may be written while the sweep runs, and by
several processes: one that rewrites a table holds `artefact_lock`, which a run does not.
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
from tmc_sweep.store.parquet import arrow_schema, read_if_there, to_parquet
from tmc_sweep.store.read import plain_rows
from tmc_sweep.store.seal import damaged


class Artefact(NamedTuple):
    """One kind of artefact table: its columns, its key, and where a sweep has it."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]  # columns: new rows replace all stored rows that agree with one of them in these
    file: Callable[[SweepPaths], Path]


EVALUATIONS = Artefact(EVALUATION_COLUMNS, ("trial_id", "epoch", "bound", "samples"), lambda paths: paths.evaluations)
RECONSTRUCTIONS = Artefact(RECONSTRUCTION_COLUMNS, ("trial_id",), lambda paths: paths.reconstructions)
LATENTS = Artefact(LATENT_COLUMNS, ("trial_id",), lambda paths: paths.latents)
ARTEFACTS = (EVALUATIONS, RECONSTRUCTIONS, LATENTS)


def over_seeds(rows: pd.DataFrame) -> dict[str, Any]:
    """The evaluations of a cell's seeds as one row, with the fields of the first.

    `mean` and `std_seeds` (ddof 1; None for one seed) are over the seeds, and NaN if a value is; `standard_error` is
    the mean of theirs.
    """
    values = rows["value"]
    return {
        **plain_rows(rows[:1])[0],
        "mean": float(values.mean(skipna=False)),
        "std_seeds": float(values.std(skipna=False)) if len(rows) > 1 else None,
        "standard_error": float(rows["standard_error"].mean(skipna=False)),
        "n_seeds": len(rows),
    }


def read_artefact(artefact: Artefact, paths: SweepPaths) -> pd.DataFrame:
    """The sweep's table of this kind, or an empty one with its columns; StorageError if it is damaged."""
    frame: pd.DataFrame = read_if_there(artefact.file(paths), artefact.columns).to_pandas()
    return frame


def upsert(artefact: Artefact, paths: SweepPaths, rows: Iterable[Mapping[str, object]]) -> None:
    """Store these rows, durably, in place of stored ones with an equal key.

    StorageError if the stored table is damaged, or cannot be written; DamagedError if the sweep has no manifest.
    """
    new = pa.Table.from_pylist([dict(row) for row in rows], arrow_schema(artefact.columns))
    manifest = read_manifest(paths)
    if manifest is None:
        raise damaged(paths.manifest, "it is missing")
    with artefact_lock(paths):
        stored = read_if_there(artefact.file(paths), artefact.columns, manifest.sweep_id)
        table = pa.concat_tables([stored.filter(~_keys(artefact, stored).isin(_keys(artefact, new))), new])
        files.write(artefact.file(paths), to_parquet(table, manifest.sweep_id), paths.artefact_temporary)


def _keys(artefact: Artefact, table: pa.Table) -> pd.Index:
    return pd.MultiIndex.from_frame(table.select(artefact.key).to_pandas())
