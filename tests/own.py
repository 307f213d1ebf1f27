"""A file of a user's own, in a folder that Python imports from."""

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

Write = Callable[[str], str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a source as the one module of its folder, and gives the module's name; it is forgotten after the test."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    name = f"own_{abs(hash(tmp_path))}"

    def write(source: str) -> str:
        (folder / f"{name}.py").write_text(dedent(source))
        forget(name)
        return name

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # of two sources within a second the second counts
    yield write
    forget(name)


def forget(name: str) -> None:
    """Let the next import read the file, also where a model's outline is remembered."""
    sys.modules.pop(name, None)
    if interface := sys.modules.get("tmc_sweep.models.interface"):
        interface._outline.cache_clear()


PLAIN = """
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import softplus


class Plain(nn.Module):
    def __init__(self, config):
        super().__init__()
        (width,) = self.latents = config.architecture.latents
        self.encoder = nn.Linear(config.n_features, 2 * width)
        self.decoder = nn.Linear(width, config.n_features)

    def conditional(self, x):
        mean, raw = self.encoder(x).unsqueeze(-2).chunk(2, -1)
        return Normal(mean, softplus(raw) + 0.01, validate_args=False)

    def forward(self, x, noise):
        q = self.conditional(x)
        z = q.loc + q.scale * noise[0]
        pixels = Bernoulli(logits=self.decoder(z), validate_args=False)
        log_px = pixels.log_prob(x.unsqueeze(-2)).sum(-1)
        log_pz = Normal(0.0, 1.0, validate_args=False).log_prob(z).sum(-1)
        return [log_px.unsqueeze(-1), log_pz.unsqueeze(-2)], [q.log_prob(z).sum(-1).unsqueeze(-2)]
"""  # a family written for one

WHOLE = f"""{PLAIN}

class Whole(Plain):
    def sample(self, x, noise):
        q = self.conditional(x)
        return [q.loc + q.scale * noise[0]]

    def decode(self, z):
        return self.decoder(z).sigmoid()
"""  # the same with all that `analyse` needs

RENYI = """
from tmc_sweep.objectives import chain_log_weights, logmeanexp
from tmc_sweep.registry import Bound


def half(log_p, log_q):
    return 2 * logmeanexp(chain_log_weights(log_p, log_q) / 2, -1)


renyi = Bound("Rényi bound of order 1/2", half, needs_pairs=False)
"""
