"""Work that may not fit into the memory there is, and giving memory back."""

import gc
import sys
from collections.abc import Callable, Iterator

import torch

_SAYS_SO = (  # texts of errors that have no class of their own
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # for lack of memory, where it was there a moment ago
)


def fits(work: Callable[[], None]) -> bool:
    """Whether the work could be done in the memory there is; if not, all that it held is free again.

    Whatever else the work raises is raised.
    """
    try:
        work()
    except Exception as error:
        if not any(map(_is_out_of_memory, _chain(error))):
            raise
    else:
        return True
    _collect()  # only here: inside of the handler, the error still holds every frame that it passed through
    return False


def free_memory() -> None:
    """Give back the memory of objects that nothing refers to any more, on the GPU too, and all code that was compiled.

    For a process that trains nothing at the moment: what still trained would compile again.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    _collect()


def _collect() -> None:
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it was raised from or in the handling of: a capture, say, ends with another one."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(text in str(error) for text in _SAYS_SO)
