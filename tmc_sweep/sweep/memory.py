"""Work that may not fit into the memory there is, and giving memory back."""

import gc
from collections.abc import Callable

import torch

_SAYS_SO = (  # errors that no class of their own tells from others
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA out of memory",  # within torch.compile it comes wrapped
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def fits(work: Callable[[], None]) -> bool:
    """Whether the work ran in the memory there is; if it did not, all that it held is free again."""
    try:
        work()
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
    else:
        return True
    free_memory()  # only here: until its handler ends, the error holds every frame it passed through
    return False


def free_memory() -> None:
    """Let go of what nothing refers to any more, on the GPU too."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(text in str(error) for text in _SAYS_SO)
