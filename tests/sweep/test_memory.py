"""What counts as not fitting, and that nothing of it is left."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from tmc_sweep.sweep.memory import fits


class Large:
    """Something in a reference cycle, as modules and optimisers are."""

    def __init__(self) -> None:
        self.itself = self


def raises(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.empty(10**15),
        lambda: bytearray(10**18),
        raises(torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        raises(BackendCompilerFailed(lambda: None, torch.cuda.OutOfMemoryError("CUDA out of memory."), None)),
        raises(RuntimeError("CUDA error: out of memory")),
        raises(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ],
    ids=["torch", "python", "cuda", "compiler", "driver", "cublas"],
)
def test_memory_that_runs_out_means_that_it_does_not_fit(work: Callable[[], None]):
    assert not fits(work)


def test_what_ends_well_fits_and_another_error_stays_one():
    assert fits(lambda: None)
    with pytest.raises(RuntimeError, match="a mistake"):
        fits(raises(RuntimeError("a mistake")))


def test_nothing_is_left_of_what_did_not_fit():
    held: list[weakref.ref[Large]] = []

    def work() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise torch.cuda.OutOfMemoryError

    gc.disable()
    try:
        assert not fits(work)
        assert held[0]() is None
    finally:
        gc.enable()
