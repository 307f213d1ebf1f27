"""The benchmark's reference computes our loss, and its output is JSON alone; how fast either is, is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.reference import ReferenceVAE
from benchmarks.step import check_losses
from tmc_sweep.config import TrialConfig
from tmc_sweep.models import HierarchicalVAE

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("objective", ["iwae", "tmc"])
def test_the_reference_has_our_loss_and_a_changed_weight_would_show(objective: str) -> None:
    config = TrialConfig.parse({"objective": objective, "K": 3, "architecture": {"latents": [12, 8, 4]}})
    generator = torch.Generator().manual_seed(0)
    ours = HierarchicalVAE(config)
    ours.initialise(0, config, generator)
    reference, x = ReferenceVAE(config, ours), torch.rand(5, config.n_features, generator=generator)
    check_losses(config, ours, reference, x)
    with torch.no_grad():
        reference.p[1][0].weight.add_(0.1)
    with pytest.raises(SystemExit, match="the losses must agree"):
        check_losses(config, ours, reference, x)


def test_json_is_all_that_is_printed() -> None:
    command = ["-m", "benchmarks.step", "--architecture", "small", "--objective", "iwae", "--K", "1", "--json"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["architecture"], row["objective"], row["K"]) == ("small", "iwae", 1)
    assert row["ratio"] == pytest.approx(row["reference_ms"] / row["ours_ms"])
    assert row["peak_ratio"] == pytest.approx(row["ours_peak_bytes"] / row["reference_peak_bytes"])
