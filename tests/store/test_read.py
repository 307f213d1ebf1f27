import subprocess
import sys

import pandas as pd
import pytest

from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.read import read_epochs, read_trials


def test_read_epochs_is_the_plain_read(paths, config, rows, on_record):
    table = EpochTable.open(paths)
    table.add(config, rows(config, [-1.0, -2.0]))
    table.commit()
    on_record(config)
    pd.testing.assert_frame_equal(read_epochs(paths.epochs), pd.read_parquet(paths.epochs))


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
