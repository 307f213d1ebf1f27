"""Torch's threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(number: int | None = None) -> Iterator[None]:
    """As many torch threads while inside, as now if None; afterwards as before, whatever was set inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
