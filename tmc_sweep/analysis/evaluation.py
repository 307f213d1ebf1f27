"""Bounds of the test images with far more samples than in training, in blocks that limit the memory.

With S samples of each latent, per image: ELBO is the mean of S log w, IWAE the log of the mean of S w, TMC the log of
the mean over all Sⁿ combinations (objectives/bounds.py). The means inside of the logarithms are unbiased estimates of
p(x), so IWAE and TMC are expected below log p(x), by ever less as S grows.

ELBO and IWAE go through their samples in blocks. TMC pairs all samples of two latents, so its memory grows with S². A
bound of one's own is given all samples at once, since nothing is known of how it may be taken apart; if it needs pairs,
its memory grows with S² too.

Blocks follow from the configuration, the bound and S alone, and their noise is drawn one after the other from one
generator, so a value does not depend on a machine's memory. Trials of one seed, shape and epoch see the same noise.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from tmc_sweep.analysis.trained import Chosen, Trained, device_named, examples
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.models import outline
from tmc_sweep.objectives import chain_log_weights
from tmc_sweep.registry import BOUNDS, loaded
from tmc_sweep.store.artefacts import EVALUATIONS, read_artefact, upsert
from tmc_sweep.training.randomness import Purpose

_LOGITS = 2**23  # pixel logits at a time: 32 MiB, and about four times that with what is made of them
_SAMPLES = 256  # samples of an image at a time, for ELBO and IWAE
_PAIRED_SAMPLES = 50  # the same, for a model that pairs them nevertheless
_JOINED = ("elbo", "iwae")  # bounds that can be put together from blocks of samples
_PAIR_BYTES = 2**28  # of TMC's pairs at a time, unless those of one image are more
_MOST_PAIR_BYTES = 2**32  # of TMC's pairs of one image


class EvaluationProgress(NamedTuple):
    """How far an evaluation is."""

    config: TrialConfig  # the trial that is being evaluated
    position: int  # that trial's, from 1
    trials: int  # how many are to be evaluated
    share: float  # of that trial's images, how many are done


Listener = Callable[[EvaluationProgress], None]


def evaluate(
    chosen: Chosen, bound: str, samples: int, device: str = "auto", listener: Listener = lambda _: None
) -> pd.DataFrame:
    """A frame of EVALUATION_COLUMNS, a row per trial: the bound with this many samples, at its newest checkpoint.

    Each row is stored as soon as it is computed. Rows of the same epoch, bound and number of samples are not computed
    again. `listener` is called as images are done. May run while the sweep runs.

    InputError if there is no such bound or device, or a trial would need too much memory; CannotRunError if the device
    is not here; StorageError if a checkpoint cannot be used. All but the last are raised before anything is computed.
    """
    _check(bound, samples)
    device = device_named(device)
    known = set(read_artefact(EVALUATIONS, chosen.paths)[list(EVALUATIONS.key)].itertuples(index=False, name=None))
    left = [config for config, epoch in chosen.epochs.items() if (config.trial_id, epoch, bound, samples) not in known]
    for config in left:  # what is wrong with a trial is said before hours of work, not after
        block_shape(config, bound, samples)
        chosen.trained(config, "cpu")
    epochs = {config.trial_id: epoch for config, epoch in chosen.epochs.items()}
    for position, config in enumerate(left, 1):
        trained = chosen.trained(config, device)
        told = partial(_tell, listener, EvaluationProgress(config, position, len(left), 0.0))
        upsert(EVALUATIONS, chosen.paths, [_row(trained, bound, samples, told)])
        epochs[config.trial_id] = trained.epoch
    stored = read_artefact(EVALUATIONS, chosen.paths)
    asked = (stored["bound"] == bound) & (stored["samples"] == samples)
    newest = stored["epoch"] == stored["trial_id"].map(epochs)
    return stored[asked & newest].reset_index(drop=True)


def _tell(listener: Listener, progress: EvaluationProgress, share: float) -> None:
    listener(progress._replace(share=share))


@torch.no_grad()
def bounds_of(
    trained: Trained,
    images: UInt8[Tensor, "n features"],
    bound: str,
    samples: int,
    told: Callable[[float], None] = lambda _: None,
) -> NDArray[np.float64]:
    """The bound of each image with this many samples, [n], in nats; `told` is called with the share that is done."""
    random = trained.generator(Purpose.EVALUATION_NOISE)
    scored = _scored(trained.config, bound)
    n_images, n_samples = block_shape(trained.config, bound, samples)
    pixels = trained.pixels(images, Purpose.EVALUATION_PIXELS)  # of all images: else they would depend on the blocks
    found, done = [], 0
    for x in pixels.split(n_images, dim=1):
        noise = (
            trained.noise(x.shape[1], min(n_samples, samples - first), random) for first in range(0, samples, n_samples)
        )
        found.append(score(trained, x, noise, scored)[0])
        done += x.shape[1]
        told(done / len(images))
    return torch.cat(found).cpu().numpy()


def score(
    trained: Trained,
    x: Float[Tensor, "member batch features"],
    noise: Iterable[Sequence[Float[Tensor, "member batch k _"]]],
    bound: str,
) -> Float64[Tensor, "member batch"]:
    """The bound of each image, in nats, on all the noise, which comes in blocks of samples of every latent.

    ELBO and IWAE take any number of blocks and put them together in float64: the result is, but for rounding, that of
    one block with all samples. Other bounds take one block.
    """
    model, parameters = trained.model, trained.parameters
    if bound not in _JOINED:
        (only,) = noise
        entry = BOUNDS.find(bound)
        value: Tensor = loaded(entry.function)(*model.factors(parameters, x, only, pairs=entry.needs_pairs))
        return value.double()
    parts, n = [], 0
    for block in noise:
        log_w = chain_log_weights(*model.factors(parameters, x, block, pairs=False)).double()
        parts.append(log_w.logsumexp(-1) if bound == "iwae" else log_w.sum(-1))
        n += log_w.shape[-1]
    all_parts = torch.stack(parts, -1)
    return all_parts.logsumexp(-1) - math.log(n) if bound == "iwae" else all_parts.sum(-1) / n


def block_shape(config: TrialConfig, bound: str, samples: int) -> tuple[int, int]:
    """How many images, and how many samples of each, are scored at a time.

    InputError if the bound pairs all samples, and the pairs of one image would take too much memory.
    """
    bound, model = _scored(config, bound), outline(config)
    if bound in _JOINED:
        samples = min(samples, _SAMPLES if model.gives_diagonals else _PAIRED_SAMPLES)
    at_once = _LOGITS // (samples * config.n_features)
    if bound in _JOINED or (model.gives_diagonals and not BOUNDS.find(bound).needs_pairs):
        return max(1, at_once), samples
    pairs = _pair_bytes(config, samples)
    if pairs > _MOST_PAIR_BYTES:
        most = math.isqrt(_MOST_PAIR_BYTES // _pair_bytes(config, 1))
        raise InputError(
            f"{bound.upper() if bound in BOUNDS else bound} pairs all samples of an image, so it must have at most "
            f"{most} in trial {config.trial_id}, but got {samples}: ask for fewer, or for iwae, which has no limit"
        )
    return max(1, min(at_once, _PAIR_BYTES // pairs)), samples


def _pair_bytes(config: TrialConfig, samples: int) -> int:
    """Bytes of TMC's pairs of one image: 2 (n − 1) factors in float32, one in float64, and what is made of that."""
    return (8 * (len(outline(config).latents) - 1) + 20) * samples**2


def _scored(config: TrialConfig, bound: str) -> str:
    """The bound to compute in its place: TMC of one latent is IWAE, whose samples may come in blocks."""
    return "iwae" if bound == "tmc" and len(outline(config).latents) == 1 else bound


def _row(trained: Trained, bound: str, samples: int, told: Callable[[float], None]) -> dict[str, object]:
    started = time.perf_counter()
    values = bounds_of(trained, examples(trained.config, trained.device).images, bound, samples, told)
    finite = bool(np.isfinite(values).all())
    return {
        **trained.row(),
        "bound": bound,
        "samples": samples,
        "value": float(values.mean()) if finite else math.nan,
        "standard_error": float(values.std(ddof=1)) / math.sqrt(len(values))
        if finite and len(values) > 1
        else math.nan,
        "image_values": values.astype("<f4").tobytes(),
        "seconds": time.perf_counter() - started,
        "time": datetime.now(UTC),
    }


def _check(bound: str, samples: int) -> None:
    BOUNDS.find(bound)
    if samples < 1:
        raise InputError(f"samples must be a positive integer, but got {samples}: 5000 are usual")
