import math
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_rows import record

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.summary import summarize
from tmc_sweep.store import epochs, read
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import to_parquet
from tmc_sweep.store.read import read_epochs, read_trials
from tmc_sweep.store.trials import TrialTable

VALUES = st.lists(st.one_of(st.floats(-9, 9), st.sampled_from([math.nan, -math.inf, None])), min_size=1, max_size=6)
TRIALS = st.tuples(st.sampled_from(["tmc", "iwae"]), st.integers(1, 2), st.integers(0, 3))  # objective, K, seed


def stored(paths: SweepPaths, curves: dict[TrialConfig, list[float | None]]) -> Path:
    """These curves of trials that are on record, between others that have no rows."""
    table, trials = EpochTable.open(paths), TrialTable.open(paths)
    trials.ensure([TrialConfig(K=3), *curves, TrialConfig(K=4)])
    for config, values in curves.items():
        table.add(config, [record(config.trial_id, epoch, value) for epoch, value in enumerate(values, 1)])
    table.commit()
    trials.commit()
    return paths.epochs


@settings(max_examples=12)
@given(st.dictionaries(TRIALS, VALUES, max_size=6), st.integers(1, 4))
def test_what_is_read_and_summarised_is_what_a_plain_reader_finds(drawn, last):
    curves = {TrialConfig(objective=name, K=K, seed=seed): values for (name, K, seed), values in drawn.items()}
    with (
        TemporaryDirectory() as folder,
        patch.object(epochs, "TRIALS_PER_PART", 2),
        patch.object(read, "_TOGETHER", 3),
    ):
        table = stored(SweepPaths(Path(folder), "grid"), curves)
        plain, frame, summary = pd.read_parquet(table), read_epochs(table), summarize(table, last)
    pd.testing.assert_frame_equal(frame, plain, check_exact=True)
    assert len(summary) == plain["cell_id"].nunique()
    for _, row in summary.iterrows():
        cell = plain[plain["cell_id"] == row["cell_id"]]
        (end,) = {cell.groupby("seed")["epoch"].max().min()}
        window = cell[cell["epoch"].between(end - last + 1, end)].pivot(index="seed", columns="epoch")["test_objective"]
        known = end >= last and np.isfinite(window.to_numpy()).all() and not _ever_diverged(curves, row)
        assert (row["last_epoch"], row["n_seeds"], row["n_epochs"]) == (end, *window.shape)
        assert pd.isna(row["reason"]) == known
        if known:
            expected = [window.mean(axis=1).mean(), window.mean(axis=0).std(ddof=0), window.std(axis=1, ddof=0).mean()]
            assert row[["mean", "std_epochs", "std_epochs_within"]].tolist() == pytest.approx(expected, abs=1e-9)


def _ever_diverged(curves: dict[TrialConfig, list[float | None]], row: "pd.Series") -> bool:
    of_cell = [values for config, values in curves.items() if config.cell_id == row["cell_id"]]
    return any(value is not None and not math.isfinite(value) for values in of_cell for value in values)


def test_a_trial_that_only_its_rows_know_is_read_from_them(paths, on_record):
    known, unknown = TrialConfig(K=2), TrialConfig(K=5)
    table = stored(paths, {known: [-1.0], unknown: [-2.0, -3.0]})
    paths.trials.unlink()
    on_record(known)
    pd.testing.assert_frame_equal(read_epochs(table), pd.read_parquet(table))
    assert summarize(table, last=1)[["K", "mean"]].to_numpy().tolist() == [[2, -1.0], [5, -3.0]]


@pytest.mark.parametrize(("order", "refusing"), [([1, 0, 2], [read_epochs]), ([0, 2, 1], [read_epochs, summarize])])
def test_rows_in_another_order_are_refused(paths, order, refusing):
    """Two epochs of one trial and one of another: exchanged, or no longer together."""
    table = stored(paths, {TrialConfig(K=2): [-1.0, -2.0], TrialConfig(K=5): [-3.0]})
    content = pq.read_table(paths.part(0)).take(order).replace_schema_metadata(None)
    paths.part(0).write_bytes(to_parquet(content, open_manifest(paths).sweep_id))
    for reader in refusing:
        with pytest.raises(StorageError, match=r"epochs are not 1, 2, 3, \.\.\. once each, in order"):
            reader(table)


def test_a_missing_sweep_names_those_that_exist(paths):
    EpochTable.open(paths)
    EpochTable.open(SweepPaths(paths.results, "other"))
    with pytest.raises(InputError, match=r"results/gird .*\(the sweeps there are grid, other\): did you mean 'grid'"):
        read_epochs(paths.results / "gird")


def test_no_sweep_at_all(tmp_path):
    with pytest.raises(InputError, match=r"results/grid .*no sweep was run there"):
        read_epochs(tmp_path / "results" / "grid")


def test_a_missing_trial_table(paths):
    EpochTable.open(paths)
    with pytest.raises(InputError, match=r"grid\.trials\.parquet"):
        read_trials(paths.epochs)


def test_a_damaged_part_is_named(paths):
    EpochTable.open(paths)
    (paths.epochs / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"part-00000\.parquet"):
        read_epochs(paths.epochs)


def test_the_tables_load_neither_torch_nor_ray():
    modules = "checkpoints, docs, epochs, lock, manifest, read, trials"
    code = f"import sys; from tmc_sweep.store import {modules}; sys.exit(len({{'torch', 'ray'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
