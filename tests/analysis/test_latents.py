"""Points in a plane, and the vote of their neighbours."""

import numpy as np
import pytest
import torch
from analysed import IWAE
from twin import small

from tmc_sweep.analysis.latents import has_plane, latents, vote
from tmc_sweep.analysis.trained import Trained, choose, examples
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import LATENT_COLUMNS
from tmc_sweep.training.randomness import Purpose


@pytest.fixture
def trained(stored: SweepPaths) -> Trained:
    return choose(stored).trained(IWAE, "cpu")


def test_a_point_does_not_vote_for_itself():
    """Two clusters of eleven: one image of the first carries the other's label."""
    points = np.array([[x, cluster] for cluster in (0.0, 100.0) for x in range(11)])
    labels = np.repeat([0, 1], 11)
    labels[4] = 1
    assert vote(points, labels).tolist() == [0] * 11 + [1] * 11


def test_of_classes_with_as_many_votes_the_least_wins():
    points = np.arange(11.0)[:, None] * [1.0, 0.0]
    assert vote(points, np.array([3] * 5 + [9] + [2] * 5))[5] == 2


def test_the_vote_is_that_of_the_ten_nearest_by_brute_force():
    random = np.random.default_rng(3)
    points, labels = random.normal(size=(200, 2)), random.integers(0, 4, 200)
    distance = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag([np.inf] * 200)
    nearest = labels[distance.argsort(1)[:, :10]]
    assert vote(points, labels).tolist() == [np.bincount(votes).argmax() for votes in nearest]


def test_a_point_is_the_mean_of_the_samples_of_the_last_latent(trained: Trained):
    rows = latents(trained, examples(IWAE), 6)
    assert set(rows[0]) == {column.name for column in LATENT_COLUMNS}
    random = trained.generator(Purpose.ANALYSIS_NOISE)
    x = trained.pixels(examples(IWAE).images, Purpose.ANALYSIS_PIXELS)
    z = trained.model.sample(trained.parameters, x, trained.noise(40, 6, random))[1]
    assert z.shape == (1, 40, 6, 2)
    np.testing.assert_allclose([[row["x"], row["y"]] for row in rows], z[0].mean(1), rtol=1e-5, atol=1e-6)
    assert [row["image"] for row in rows] == list(range(40))
    assert [row["label"] for row in rows] == examples(IWAE).labels.tolist()


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({"architecture": {"latents": [8, 2]}}, True),
        ({"architecture": {"latents": [2, 4]}}, False),
        ({"architecture": {"latents": [2]}, "test_images": 10}, False),
        ({"architecture": {"latents": [2]}, "test_images": 11}, True),
    ],
)
def test_which_trials_have_a_plane(fields, there):
    assert has_plane(small(**fields)) is there


def test_no_rows_of_a_model_that_is_not_finite(trained: Trained):
    trained.parameters["q.1.first.bias"].fill_(torch.nan)
    assert latents(trained, examples(IWAE), 3) == []
