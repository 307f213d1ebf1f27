"""Hyperparameter sweeps of Tensor Monte-Carlo and importance-weighted autoencoders on Ray."""
