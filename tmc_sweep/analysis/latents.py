"""The two-dimensional last latent of the test images, and how well it separates their classes (article, Figure 6).

"To obtain these data points, we averaged over K for every latent" (Appendix D): each point is the mean of K samples of
the last latent. The article judges clusters by eye. Here the nearest neighbours of each point also vote on its class,
and the share of right votes is a number that can be compared.
"""

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tmc_sweep.analysis.trained import Examples, Trained
from tmc_sweep.config import TrialConfig
from tmc_sweep.models import outline
from tmc_sweep.training.randomness import Purpose

NEIGHBOURS = 10
_SAMPLES = 2**17  # of all images together, at a time


def has_plane(config: TrialConfig) -> bool:
    """Whether the trial's last latent has two dimensions, and there are enough test images for a vote."""
    return outline(config).latents[-1] == 2 and config.test_images > NEIGHBOURS


@torch.no_grad()
def latents(trained: Trained, examples: Examples, samples: int) -> list[dict[str, object]]:
    """Rows of LATENT_COLUMNS, one per image; none if the model gives a value that is not finite."""
    random = trained.generator(Purpose.ANALYSIS_NOISE)
    pixels = trained.pixels(examples.images, Purpose.ANALYSIS_PIXELS)
    means = []
    for x in pixels.split(max(1, _SAMPLES // samples), dim=1):
        last = trained.model.sample(trained.parameters, x, trained.noise(x.shape[1], samples, random))[-1]
        means.append(last.double().mean(-2)[0])
    points = torch.cat(means).cpu().numpy()
    if not np.isfinite(points).all():
        return []
    predicted = vote(points, examples.labels)
    return [
        {
            **trained.row(),
            "samples": samples,
            "image": image,
            "label": int(label),
            "x": float(x),
            "y": float(y),
            "predicted": int(voted),
        }
        for image, (label, (x, y), voted) in enumerate(zip(examples.labels, points, predicted, strict=True))
    ]


def vote(points: Float64[np.ndarray, "n 2"], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class that most of each point's 10 nearest other points have, [n]; of several such classes the least."""
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors(return_distance=False)  # itself left out
    counts = (labels[nearest][:, :, None] == np.arange(labels.max() + 1)).sum(1)
    voted: NDArray[np.int64] = counts.argmax(1)
    return voted
