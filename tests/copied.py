"""A sweep that is stored once, and a copy of it for each test to change."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tmc_sweep.paths import SweepPaths


def fixtures(store: Callable[[Path], SweepPaths]) -> tuple[Any, Any]:
    """`stored`, the sweep that `store` makes in a folder, and `paths`, that of the test."""

    @pytest.fixture(scope="session")
    def stored(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
        return store(tmp_path_factory.mktemp("results"))

    @pytest.fixture
    def paths(stored: SweepPaths, tmp_path: Path) -> SweepPaths:
        shutil.copytree(stored.results, tmp_path / "results")
        return SweepPaths(tmp_path / "results", stored.name)

    return stored, paths
