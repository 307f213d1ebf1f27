"""A data set's images: how they are split, binarised and indexed."""

from dataclasses import replace

import numpy as np
import torch

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split, batch


def split_of(images: Images, **fields: object) -> Split:
    return Split.of(images, TrialConfig.parse(fields))


def test_the_first_images_are_used_and_the_last_of_them_held_out(digits: Images):
    split = split_of(digits, train_images=100, validation_images=30, test_images=10)
    assert np.array_equal(split.train, digits.train[:70])
    assert np.array_equal(split.validation, digits.train[70:100])
    assert np.array_equal(split.test, digits.test[:10])
    assert len(split_of(digits).validation) == 0


def test_static_binarisation_belongs_to_the_data_not_the_run(digits: Images):
    first, other = (split_of(digits, binarize="static", seed=seed) for seed in (0, 1))
    fewer = split_of(digits, binarize="static", train_images=50)
    assert torch.equal(first.train, other.train)
    assert torch.equal(first.train[:50], fewer.train)
    assert first.train.unique().tolist() == [0, 255]
    mean = first.train.double().mean() - torch.tensor(digits.train).double().mean()
    assert abs(mean.item()) < 2


def test_static_binarisation_draws_training_and_test_images_apart(digits: Images):
    grey = replace(digits, train=np.full_like(digits.train, 128), test=np.full_like(digits.test, 128))
    split = split_of(grey, binarize="static")
    assert 0.4 < (split.train[:360] == split.test).double().mean() < 0.6
    assert not torch.equal(split.train[0], split.train[1])


def test_a_batch_is_indexed_per_member_and_scaled(digits: Images):
    images = split_of(digits).train
    x = batch(images, torch.tensor([[3, 1], [0, 2]]))
    assert x.shape == (2, 2, 64)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x[1, 1], images[2] / 255)
