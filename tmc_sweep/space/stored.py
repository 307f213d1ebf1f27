"""Search spaces as sweeps keep them."""

import sys

from tmc_sweep.errors import InputError
from tmc_sweep.space.load import parse
from tmc_sweep.space.search_space import SearchSpace


def parse_stored(text: str, source_name: str) -> SearchSpace | None:
    """The search space that a manifest keeps, of any size; None if it keeps none that this version can read."""
    try:
        return parse(text, source_name, sys.maxsize)
    except InputError:
        return None
