"""The tests that are shipped for models of one's own: families that pass them, and faults that they find."""

import pytest
import torch
from own import WHOLE, Write

from tmc_sweep.config import TrialConfig
from tmc_sweep.testing import FactorModelTestCase

TESTS = [name for name in vars(FactorModelTestCase) if name.startswith("test_")]


class TestOurs(FactorModelTestCase):
    config = TrialConfig.parse({"architecture": {"latents": [3, 2]}})


class TestOursFactorised(FactorModelTestCase):
    config = TrialConfig.parse({"architecture": {"latents": [3, 2, 2]}, "proposal": "factorised", "prior": "learned"})


def failures(config: TrialConfig) -> set[str]:
    case, failed = FactorModelTestCase(), set()
    case.config = config
    for name in TESTS:
        try:
            getattr(case, name)()
        except Exception:
            failed.add(name.removeprefix("test_"))
    return failed


FAULTS = {
    "": (("", ""), set()),
    "exchanged": (
        ("[log_px.unsqueeze(-1), log_pz.unsqueeze(-2)]", "[log_px.flip(-1).unsqueeze(-1), log_pz.unsqueeze(-2)]"),
        {"a_sample_of_the_last_latent_moves_its_own_entries_alone"},
    ),
    "flat": (
        ("[log_px.unsqueeze(-1), log_pz.unsqueeze(-2)]", "[log_px.unsqueeze(-2), log_pz.unsqueeze(-2)]"),
        {
            "the_contraction_is_the_mean_over_all_combinations_of_samples",
            "a_sample_of_the_last_latent_moves_its_own_entries_alone",
            "the_gradient_is_that_of_small_differences",
        },
    ),
    "random": (
        (
            "        z = q.loc + q.scale * noise[0]\n        pixels",
            "        z = q.rsample((2,)).movedim(0, -2)[..., 0, :]\n        pixels",
        ),
        {"the_same_inputs_give_the_same_bits"},
    ),
    "detached": (
        ("self.decoder(z), validate", "self.decoder(z.detach()), validate"),
        {"the_gradient_is_that_of_small_differences"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_model_of_ones_own_is_found(write_module: Write, fault: str):
    (old, new), found = FAULTS[fault]
    assert old in WHOLE
    torch.manual_seed(0)
    name = write_module(WHOLE.replace(old, new, 1) if old else WHOLE)
    assert found <= failures(TrialConfig.parse({"model": f"{name}:Whole", "architecture": [3]}))
    assert found or not failures(TrialConfig.parse({"model": f"{name}:Whole", "architecture": [3]}))
