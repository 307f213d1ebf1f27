"""Generators: one per seed, purpose and epoch, the same for ever."""

import itertools

import torch

from tmc_sweep.training.randomness import Purpose, generator


def test_every_purpose_epoch_and_seed_has_numbers_of_its_own():
    keys = list(itertools.product((0, 1, 2**63 - 1), Purpose, (0, 1, 2, 12)))
    draws = {torch.randn(2, generator=generator(*key)).numpy().tobytes() for key in keys}
    assert len(draws) == len(keys)


def test_the_numbers_never_change():
    drawn = torch.randint(10**6, (3,), generator=generator(3, Purpose.TRAINING_NOISE, 7))
    assert drawn.tolist() == [689243, 174009, 950634]
