"""Models: images and noise to log-probability factors, by pure functions of the parameters."""

from tmc_sweep.models.interface import Model, Parameters, build, initial, outline, try_out
from tmc_sweep.models.vae import HierarchicalVAE, Proposal

__all__ = [
    "HierarchicalVAE",
    "Model",
    "Parameters",
    "Proposal",
    "build",
    "initial",
    "outline",
    "try_out",
]
