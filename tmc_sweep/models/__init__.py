"""Recognition and generative stacks, from images to log-probability factors."""

from tmc_sweep.models.vae import HierarchicalVAE, Proposal, count_parameters, parameter_shapes

__all__ = ["HierarchicalVAE", "Proposal", "count_parameters", "parameter_shapes"]
