"""A small sweep on disk, trained without Ray, and files of search spaces."""

from collections.abc import Callable
from pathlib import Path

import pytest
from twin import sweep

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse

YAML = """version: 1
name: tiny
base:
  data: digits
  objective: iwae
  architecture: {latents: [12, 4]}
  train_images: 100
  test_images: 40
  batch_size: 8
  epochs: 4
space:
  lr: {grid_search: [1e-3, 10]}
seeds: 2
statistic: {metric: test_iwae, last: 2}
"""


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of YAML: one learning rate trains, with the other it diverges."""
    folder = tmp_path_factory.mktemp("results")
    sweep(SweepPaths(folder, "tiny"), parse(YAML, "tiny.yaml").trials(), load("digits"), text=YAML)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """file(("old", "new"), ...): YAML with these changes, as a file."""

    def write(*replacements: tuple[str, str]) -> Path:
        text = YAML
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tiny.yaml"
        path.write_text(text)
        return path

    return write
