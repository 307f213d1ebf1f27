"""Reconstructions and two-dimensional latents of a sweep's trials, kept up to date in two tables.

Figures are drawn from these tables, so drawing needs neither a model nor the data set.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from tmc_sweep.analysis.latents import has_plane, latents
from tmc_sweep.analysis.reconstructions import reconstructions
from tmc_sweep.analysis.trained import Chosen, Trained, device_named, examples
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.models import outline
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.artefacts import LATENTS, RECONSTRUCTIONS, Artefact, read_artefact, upsert

_ByTrial = dict[str, pd.DataFrame]  # an artefact table's rows


class Analysed(NamedTuple):
    """What the tables now have of one trial."""

    config: TrialConfig
    epoch: int  # of the checkpoint
    samples: int  # of each latent, that were averaged over
    n_reconstructions: int  # 0 where they are not finite
    accuracy: float | None  # share of images whose neighbours vote for their class; None without latents in a plane


def analyse(chosen: Chosen, samples: int | None = None, images: int = 20, device: str = "auto") -> Iterator[Analysed]:
    """Bring each trial's rows up to its newest checkpoint, and yield the trial once they are stored.

    `samples` of each latent are averaged over, the trial's `eval_k` if None; `images` is how many are reconstructed.
    Rows of the same epoch, samples and number of images are not computed again. May run while the sweep runs.

    InputError if a model cannot draw samples or decode them, or there is no such device or data set; CannotRunError if
    the device is not here; StorageError if a checkpoint cannot be used.
    """
    device = device_named(device)
    for config in chosen.epochs:
        if lacking := outline(config).lacking:
            raise InputError(
                f"analyse needs a model with sample and decode, but {config.model} of trial {config.trial_id} lacks "
                f"{' and '.join(lacking)}: add that, or name trials of other models with --trial"
            )
    pictures, points = _stored(RECONSTRUCTIONS, chosen.paths), _stored(LATENTS, chosen.paths)
    for config, epoch in chosen.epochs.items():
        k, n_images = samples or config.eval_k, min(images, config.test_images)
        n_points = config.test_images if has_plane(config) else 0
        if not (_has(pictures, config, epoch, k, n_images) and _has(points, config, epoch, k, n_points)):
            trained, data = chosen.trained(config, device), examples(config, device)
            epoch = trained.epoch
            pictures |= _store(RECONSTRUCTIONS, trained, reconstructions(trained, data, n_images, k), chosen.paths)
            points |= _store(LATENTS, trained, latents(trained, data, k) if n_points else [], chosen.paths)
        yield Analysed(config, epoch, k, len(_of(pictures, config)), _accuracy(_of(points, config)))


def _stored(artefact: Artefact, paths: SweepPaths) -> _ByTrial:
    return {str(trial_id): rows for trial_id, rows in read_artefact(artefact, paths).groupby("trial_id")}


def _store(artefact: Artefact, trained: Trained, rows: list[dict[str, object]], paths: SweepPaths) -> _ByTrial:
    if rows:
        upsert(artefact, paths, rows)
    return {trained.config.trial_id: pd.DataFrame(rows)}


def _of(stored: _ByTrial, config: TrialConfig) -> pd.DataFrame:
    return stored.get(config.trial_id, pd.DataFrame())


def _has(stored: _ByTrial, config: TrialConfig, epoch: int, samples: int, n: int) -> bool:
    rows = _of(stored, config)
    return len(rows) == n and (rows.empty or bool(((rows["epoch"] == epoch) & (rows["samples"] == samples)).all()))


def _accuracy(points: pd.DataFrame) -> float | None:
    return None if points.empty else float((points["label"] == points["predicted"]).mean())
