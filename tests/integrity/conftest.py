"""The place of the small sweep that these tests store and damage."""

import pytest

from tmc_sweep.paths import SweepPaths


@pytest.fixture
def paths(tmp_path) -> SweepPaths:
    return SweepPaths(tmp_path / "results", "tiny")
