"""Reconstructions: which images, and the mean of what the model says of each pixel."""

import numpy as np
import pytest
import torch
from analysed import IWAE

from tmc_sweep.analysis import reconstructions as module
from tmc_sweep.analysis.reconstructions import first_of_each_class, reconstructions
from tmc_sweep.analysis.trained import Trained, choose, examples
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.objectives import bernoulli_linear_log_prob
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import RECONSTRUCTION_COLUMNS
from tmc_sweep.training import TrialState
from tmc_sweep.training.randomness import Purpose


@pytest.fixture
def trained(stored: SweepPaths) -> Trained:
    return choose(stored).trained(IWAE, "cpu")


def test_the_first_of_each_class_then_the_second():
    labels = np.array([2, 2, 0, 2, 1, 0, 0, 1])
    assert first_of_each_class(labels, 5).tolist() == [2, 4, 0, 5, 7]
    assert sorted(first_of_each_class(labels, 99)) == list(range(8))


def logits(trained: Trained, z: torch.Tensor) -> torch.Tensor:
    """Of each pixel, by the likelihood: log p(the one pixel is white) - log p(all are black)."""
    model = HierarchicalVAE(IWAE).requires_grad_(False)
    model.load_state_dict(trained.parameters)
    (head,) = model.p[0].heads
    hidden = model.p[0].hidden(z).flatten(1, 2).expand(1, 65, -1, -1).reshape(1, 65, z.shape[2], -1)
    images = torch.cat([torch.zeros(1, 64), torch.eye(64)]).unsqueeze(0)
    of_each = bernoulli_linear_log_prob(images, hidden, *head.affine())[0]
    return (of_each[1:] - of_each[:1]).T


def test_a_reconstruction_is_the_mean_over_samples_of_the_likelihoods_mean(trained: Trained):
    """One image: then the noise is that of the whole table."""
    (row,) = reconstructions(trained, examples(IWAE), 1, 5)
    random = trained.generator(Purpose.ANALYSIS_NOISE)
    image = examples(IWAE).images[row["image"]].unsqueeze(0)
    x, noise = trained.pixels(image, Purpose.ANALYSIS_PIXELS), trained.noise(1, 5, random)
    z = trained.model.sample(trained.parameters, x, noise)[0]
    expected = logits(trained, z).sigmoid().mean(0) * 255
    assert np.abs(np.frombuffer(row["reconstruction"], np.uint8) - expected.numpy()).max() <= 0.51
    assert row["original"] == image.numpy().tobytes()


@pytest.mark.parametrize("at_once", [1, 3, 99])
def test_rows_have_the_declared_columns_and_every_image_its_own(trained: Trained, monkeypatch, at_once):
    monkeypatch.setattr(module, "_LOGITS", at_once * 5 * 64)
    rows = reconstructions(trained, examples(IWAE), 10, 5)
    assert set(rows[0]) == {column.name for column in RECONSTRUCTION_COLUMNS}
    assert [row["label"] for row in rows] == list(range(10))
    for row in rows:
        assert row["label"] == examples(IWAE).labels[row["image"]]
        assert row["original"] == examples(IWAE).images[row["image"]].numpy().tobytes()
        assert len(row["reconstruction"]) == 64


def test_training_brings_reconstructions_closer(stored: SweepPaths):
    def distance(trained: Trained) -> float:
        rows = reconstructions(trained, examples(IWAE), 20, 5)
        pixels = [
            [np.frombuffer(row[name], np.uint8).astype(int) for row in rows] for name in ("original", "reconstruction")
        ]
        return np.abs(np.subtract(*pixels)).mean()

    assert distance(choose(stored).trained(IWAE, "cpu")) < distance(Trained.of(TrialState.initial(IWAE)))


def test_no_rows_of_a_model_that_is_not_finite(stored: SweepPaths):
    trained = choose(stored).trained(IWAE, "cpu")
    trained.parameters["p.0.first.bias"].fill_(torch.nan)
    assert reconstructions(trained, examples(IWAE), 20, 5) == []
