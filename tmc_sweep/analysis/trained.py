"""Trained models, made of a sweep's newest checkpoints, and the images to score. Changes no file.

chosen = choose(SweepPaths(results, "grid"))          # trials that have a checkpoint
for config in chosen.epochs:
    trained = chosen.trained(config, "cpu")           # its model, with parameters
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Generator, Tensor

from tmc_sweep.commands import command
from tmc_sweep.config import EarlierConfig, TrialConfig
from tmc_sweep.data import Split, batch, load
from tmc_sweep.errors import CannotRunError, InputError, StorageError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.models import Model, Parameters, build
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import fixed_values
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.earlier import left_out
from tmc_sweep.store.manifest import is_copy, read_manifest
from tmc_sweep.store.read import find, stored_trials
from tmc_sweep.store.trials import known_config
from tmc_sweep.training import TrialState, decode
from tmc_sweep.training.randomness import Purpose, binarized, generator, sample_noise

DEVICES = ("auto", "cpu", "cuda")
_load = lru_cache(load)


@dataclass(frozen=True)
class Trained:
    """One trial's model after `epoch` epochs, with its parameters on a device and without gradients."""

    config: TrialConfig
    epoch: int
    model: Model
    parameters: Parameters  # with a leading dimension of one member
    device: str  # torch's name

    @classmethod
    def of(cls, state: TrialState, device: str = "cpu") -> Self:
        """The model of a trial's state, on a device; the two share no memory."""
        values = {name: value.detach().unsqueeze(0).to(device, copy=True) for name, value in state.parameters.items()}
        return cls(state.config, state.epoch, build(state.config), values, device)

    def row(self) -> dict[str, object]:
        """The columns that every row of an artefact table begins with: the trial's, and the checkpoint's epoch."""
        return {**fixed_values(self.config), "epoch": self.epoch}

    def generator(self, purpose: Purpose) -> Generator:
        """A generator that depends on the trial's seed, the epoch and the purpose: trials of one seed share it."""
        return generator(self.config.seed, purpose, self.epoch, self.device)

    def pixels(self, images: UInt8[Tensor, "n features"], purpose: Purpose) -> Float[Tensor, "1 n features"]:
        """The images as the model sees them, in [0, 1], binarised if it was trained so.

        Binarised pixels are drawn for all of these images together, so ask once for all images that belong together.
        """
        x = batch(images, torch.arange(len(images), device=self.device).unsqueeze(0))
        return binarized(x, self.config.binarize, [self.generator(purpose)])

    def noise(self, n: int, k: int, random: Generator) -> list[Float[Tensor, "1 n k _"]]:
        """Standard normal noise for k samples of every latent of n images."""
        return sample_noise(n, k, self.model.latents, [random])


class Examples(NamedTuple):
    """A configuration's test images on one device, and their classes."""

    images: UInt8[Tensor, "n features"]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """Trials of one sweep, and their newest checkpoints."""

    paths: SweepPaths
    epochs: Mapping[TrialConfig, int]  # by trial: the epoch of its newest whole checkpoint
    without: tuple[TrialConfig, ...]  # trials that were asked for and have no checkpoint
    left_out: str = ""  # a sentence about trials of earlier numerics, which are in neither; "" if there are none

    def trained(self, config: TrialConfig, device: str) -> Trained:
        """The model of one of these trials, from its newest checkpoint.

        StorageError if the checkpoint is gone, is another trial's, or cannot be used.
        """
        found = CheckpointFiles(self.paths).latest(config.trial_id)
        if found is None:
            raise StorageError(
                f"trial {config.trial_id} had a checkpoint, but it was removed just now: run the same command again"
            )
        return Trained.of(decode(found[1], config), device)


def choose(paths: SweepPaths, trial_ids: Sequence[str] = ()) -> Chosen:
    """The trials of a sweep with these names, or all of them if none is named, in the order of the trial table.

    Those of earlier numerics are left out. InputError if there is no such sweep or trial, or none of them has a
    checkpoint; StorageError if the tables are damaged.
    """
    rows = stored_trials(find(paths.epochs))
    for name in trial_ids:
        if name not in rows:
            hint = did_you_mean(name, rows) or f": {command(f'status {paths.name}', paths.results)} lists them"
            raise InputError(f"a trial must be one of sweep {paths.name!r}, but got {name!r}{hint}")
    asked = [known_config(row) for name, row in rows.items() if not trial_ids or name in trial_ids]
    earlier = [config for config in asked if isinstance(config, EarlierConfig)]
    trained = {name for name, row in rows.items() if row["epochs_done"]}
    said = left_out(paths.name, earlier, trained) if earlier else ""
    configs = [config for config in asked if not isinstance(config, EarlierConfig)]
    if earlier and not configs:
        raise InputError(f"a trial must be of this version's numerics for this, but {said}")
    checkpoints = CheckpointFiles(paths)
    epochs = {config: found[0] for config in configs if (found := checkpoints.latest(config.trial_id))}
    if not epochs:
        manifest = read_manifest(paths)
        fix = f"run sweep {paths.name!r}, or wait for its first checkpoint"
        if manifest and is_copy(paths, manifest):
            fix = "this is a copy, which leaves them out, so do it where the sweep was run"
        raise InputError(
            f"a trial must have a checkpoint for this, but none of the {len(configs)} asked for has one: {fix}"
        )
    return Chosen(paths, epochs, tuple(config for config in configs if config not in epochs), said)


def examples(config: TrialConfig, device: str = "cpu") -> Examples:
    """The trial's test images on a device, as training has them; InputError if the data set cannot be had."""
    images = _load(config.data)
    test_only = config.model_copy(update={"train_images": 1, "validation_images": 0})
    labels = images.test_labels[: config.test_images].astype(np.int64)
    return Examples(Split.of(images, test_only, device).test, labels)


def device_named(name: str) -> str:
    """Torch's device for one of DEVICES: `auto` is the GPU if torch sees one, else the CPU.

    InputError if there is no such name, CannotRunError for `cuda` without a GPU.
    """
    if name not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)}, but got {name!r}: choose one of them")
    if name == "cuda" and not torch.cuda.is_available():
        raise CannotRunError("device cuda needs a GPU that torch can use, but it sees none: use cpu")
    return "cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu")
