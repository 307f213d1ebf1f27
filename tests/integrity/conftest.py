"""The sweep of `stored.py`: stored once, and a copy for each test to damage."""

import shutil
from pathlib import Path

import pytest
from stored import store

from tmc_sweep.paths import SweepPaths


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
    return store(tmp_path_factory.mktemp("results"))


@pytest.fixture
def paths(stored: SweepPaths, tmp_path: Path) -> SweepPaths:
    shutil.copytree(stored.results, tmp_path / "results")
    return SweepPaths(tmp_path / "results", "tiny")
