"""Shapes of parameters that are known without torch: those of the module, name by name and in its order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmc_sweep.config import PRESETS, TrialConfig
from tmc_sweep.models import build
from tmc_sweep.shapes import count_parameters, shapes

widths = st.integers(1, 40)


@st.composite
def architectures(draw: st.DrawFn) -> dict[str, list[int]]:
    """Any number of latents, with hidden widths of their own or without."""
    latents = draw(st.lists(widths, min_size=1, max_size=6))
    several = st.lists(widths, min_size=len(latents), max_size=len(latents))
    return {"latents": latents, **draw(st.fixed_dictionaries({}, optional={"q_hidden": several, "p_hidden": several}))}


def check(**fields: Any) -> None:
    config = TrialConfig.parse({"data": "digits", **fields})
    module = build(config).shapes
    assert [*shapes(config).items()] == [(name, tuple(shape)) for name, shape in module.items()]
    assert count_parameters(config) == sum(shape.numel() for shape in module.values())


@pytest.mark.parametrize("data", ["digits", "mnist", "cifar10"])
@pytest.mark.parametrize("preset", PRESETS)
def test_those_of_a_preset(preset: str, data: str):
    check(architecture=preset, data=data)


@given(
    architecture=architectures(),
    prior=st.sampled_from(["standard", "learned"]),
    weight_norm=st.booleans(),
    proposal=st.sampled_from(["nonfactorised", "factorised"]),
)
def test_those_of_any_architecture(**fields: Any):
    check(**fields)
