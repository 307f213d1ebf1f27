"""Test images as a model reconstructs them (article, Appendix C and Figure 5).

The article does not define its "conditional reconstructions"; ours are the mean of p(x | z_1), averaged over samples of
z_1 from q(z_1 | x).
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from tmc_sweep.analysis.trained import Examples, Trained
from tmc_sweep.registry import DATA_SETS
from tmc_sweep.training.randomness import Purpose

_LOGITS = 2**23  # pixel logits at a time


def first_of_each_class(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Positions of n images, or of all if there are fewer: the first of each class in order, then the second, …."""
    rank = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return np.lexsort((labels, rank))[:n]


@torch.no_grad()
def reconstructions(trained: Trained, examples: Examples, n_images: int, samples: int) -> list[dict[str, object]]:
    """Rows of RECONSTRUCTION_COLUMNS for `n_images`, of each class alike; none if a pixel's mean is not finite."""
    chosen = first_of_each_class(examples.labels, n_images)
    originals = examples.images[torch.from_numpy(chosen).to(trained.device)]
    random = trained.generator(Purpose.ANALYSIS_NOISE)
    at_once = max(1, _LOGITS // (samples * trained.config.n_features))
    shown = trained.pixels(originals, Purpose.ANALYSIS_PIXELS)
    means = torch.cat([_mean_pixels(trained, x, samples, random) for x in shown.split(at_once, dim=1)])
    if not means.isfinite().all():
        return []
    shape = DATA_SETS.find(trained.config.data).shape
    pixels = (means * 255).round().to(torch.uint8).cpu().numpy()
    return [
        {
            **trained.row(),
            "samples": samples,
            "image": int(image),
            "label": int(examples.labels[image]),
            "shape": "-".join(map(str, shape)),
            "original": original.tobytes(),
            "reconstruction": reconstruction.tobytes(),
        }
        for image, original, reconstruction in zip(chosen, originals.cpu().numpy(), pixels, strict=True)
    ]


def _mean_pixels(trained: Trained, x: Tensor, samples: int, random: Generator) -> Tensor:
    z = trained.model.sample(trained.parameters, x, trained.noise(x.shape[1], samples, random))[0]
    return trained.model.decode(trained.parameters, z).mean(-2)[0]
