"""Log-space mathematics and the three bounds: they see log-probability tensors, never a network."""

from tmc_sweep.objectives.bounds import chain_log_weights, elbo, iwae, mixture_log_prob, tmc
from tmc_sweep.objectives.densities import bernoulli_linear_log_prob, normal_log_prob, normal_log_prob_pairs
from tmc_sweep.objectives.estimators import weighed_sample
from tmc_sweep.objectives.logspace import log_mean_matmul_exp, logmeanexp

__all__ = [
    "bernoulli_linear_log_prob",
    "chain_log_weights",
    "elbo",
    "iwae",
    "log_mean_matmul_exp",
    "logmeanexp",
    "mixture_log_prob",
    "normal_log_prob",
    "normal_log_prob_pairs",
    "tmc",
    "weighed_sample",
]
