"""What counts as not fitting, and that nothing of it is left."""

import gc
import sys
import weakref
from collections.abc import Callable

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from tmc_sweep.errors import CannotRunError
from tmc_sweep.sweep.memory import fits, free_memory


class Large:
    """Something in a reference cycle, as modules and optimisers are."""

    def __init__(self) -> None:
        self.itself = self


def raises(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def captures(error: Exception) -> Callable[[], None]:
    """As torch.cuda.graph does: leaving it ends the capture, which fails in its turn; and as our engine says it."""

    def work() -> None:
        try:
            try:
                raise error
            finally:
                raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")
        except RuntimeError as ended:
            raise CannotRunError("a GPU must be able to replay a step") from ended

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
        raises(RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`")),
        raises(RuntimeError("CUDA driver error: out of memory")),
        raises(RuntimeError("Triton Error [CUDA]: out of memory")),
        captures(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
    ],
    ids=["torch", "python", "cuda", "compiler", "driver", "cublas", "handle", "api", "triton", "capture"],
)
def test_memory_that_runs_out_means_that_it_does_not_fit(work: Callable[[], None]):
    assert not fits(work)


def test_what_ends_well_fits_and_another_error_stays_one():
    assert fits(lambda: None)
    with pytest.raises(RuntimeError, match="a mistake"):
        fits(raises(RuntimeError("a mistake")))
    with pytest.raises(CannotRunError):
        fits(captures(RuntimeError("operation not permitted when stream is capturing")))


def test_compiled_code_goes_with_the_last_pack_and_not_where_one_of_several_did_not_fit(
    monkeypatch: pytest.MonkeyPatch,
):
    resets: list[bool] = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: resets.append(True))
    assert not fits(raises(MemoryError()))
    assert resets == []
    free_memory()
    assert resets == [True]
    monkeypatch.delitem(sys.modules, "torch._dynamo")
    free_memory()
    assert resets == [True]  # nothing was compiled, and nothing is loaded to say so


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
