"""Work that may not fit into the memory there is, and giving memory back."""

import gc
from collections.abc import Callable

import torch

_SAYS_SO = (  # texts of errors that have no class of their own
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA out of memory",  # within torch.compile it comes wrapped
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def fits(work: Callable[[], None]) -> bool:
    """Whether the work could be done in the memory there is; if not, all that it held is free again.

    Whatever else the work raises is raised.
    """
    try:
        work()
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
    else:
        return True
    free_memory()  # only here: inside of the handler, the error still holds every frame that it passed through
    return False


def free_memory() -> None:
    """Give back the memory of objects that nothing refers to any more, on the GPU too."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(text in str(error) for text in _SAYS_SO)
