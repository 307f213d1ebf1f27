"""The shapes in signatures are checked while testing (tests/conftest.py)."""

import pytest
import torch
from jaxtyping import TypeCheckError

from tmc_sweep.models.layers import PackedLinear
from tmc_sweep.objectives import normal_log_prob, normal_log_prob_pairs


def test_a_wrong_shape_raises():
    with pytest.raises(TypeCheckError):
        normal_log_prob_pairs(torch.zeros(2, 3, 5), torch.zeros(2, 4, 6), torch.ones(2, 4, 6))
    with pytest.raises(TypeCheckError):
        PackedLinear(1, 2, 2, weight_norm=False)(torch.zeros(3, 2))


def test_a_wrong_dtype_raises():
    with pytest.raises(TypeCheckError):
        normal_log_prob(torch.zeros(2), torch.zeros(2, dtype=torch.int64), torch.ones(2))
