"""YAML search spaces to trials: guarded reading, domains, conditions, and errors that point at the very value."""

from tmc_sweep.space.load import load, parse
from tmc_sweep.space.mistakes import SpaceError
from tmc_sweep.space.search_space import SearchSpace

__all__ = ["SearchSpace", "SpaceError", "load", "parse"]
