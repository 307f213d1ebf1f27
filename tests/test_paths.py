"""Which sweep a file belongs to, and what may not be a link."""

from pathlib import Path

import pytest

from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths, home_of


@pytest.mark.parametrize(
    "file",
    [
        "grid/part-00000.parquet",
        "grid/part-00000.parquet.bak",
        "grid/README",
        "grid.trials.parquet",
        "grid.evaluations.parquet",
        ".tmc/grid/manifest.json",
        ".tmc/grid/checkpoints/0123456789ab/notes",
        ".tmc/grid/checkpoints/0123456789ab/epoch-000001-00.safetensors",
    ],
)
def test_a_file_belongs_to_the_sweep_it_lies_with(file: str, tmp_path: Path):
    assert home_of(tmp_path / file) == (tmp_path, "grid")


def test_so_does_the_table(tmp_path: Path):
    (tmp_path / "grid").mkdir()
    assert home_of(tmp_path / "grid") == (tmp_path, "grid")


@pytest.mark.parametrize("folder", ["epochs", "private", "temporary", "checkpoints", "quarantine"])
def test_no_folder_of_a_sweep_may_be_a_link(folder: str, tmp_path: Path):
    path: Path = getattr(SweepPaths(tmp_path / "results", "grid"), folder)
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path)
    with pytest.raises(InputError, match="is a symbolic link: remove it"):
        SweepPaths(tmp_path / "results", "grid")
