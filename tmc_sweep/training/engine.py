"""Who takes a pass's steps: the host, which calls one after another, or a GPU, which replays what was captured of them.

    eager      called
    graph      on a GPU captured as CUDA graphs: the same kernels, so the same bits; elsewhere called
    compiled   as graph, and the model's score by torch.compile: fewer kernels, which round in another order

A thousand kernels a step keep a host busier than its GPU. A graph is one launch of all kernels of eight steps.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, ClassVar, Protocol

import torch

from tmc_sweep.costs import Engine
from tmc_sweep.errors import CannotRunError
from tmc_sweep.models import Model
from tmc_sweep.text import last_line
from tmc_sweep.training.step import Pass, Score

_AT_ONCE = 8  # steps of a graph
_AHEAD = 5  # launches that a host may be ahead of its GPU, so that it stops within 48 steps
_WARM_UPS = 3  # steps before a capture: libraries choose their kernels and take their memory


class DroppedError(Exception):
    """The epoch in progress is to be dropped."""


class Runner(Protocol):
    """Takes the steps of some passes."""

    peak_bytes: int  # most memory that steps took which are replayed, and which torch does not count

    def ready(self) -> None:
        """Do what is done once, so that it is no part of an epoch's seconds."""

    def run(self, one: Pass, should_stop: Callable[[], bool]) -> None:
        """Begin one of the passes and take all its steps; DroppedError as soon as it should stop."""


def runner(engine: Engine, passes: Sequence[Pass], device: str) -> Runner:
    """The one of an engine, on torch's `device`."""
    if engine != "eager" and device.startswith("cuda") and not Replayed.failed:
        return Replayed(passes)
    return Called(passes, device, compiles=engine == "compiled")


def score_of(model: Model, engine: Engine) -> Score:
    """What an engine takes a model's score by."""
    if engine != "compiled":
        return model.score
    import torch._inductor.config as inductor  # takes seconds

    inductor.compile_threads = torch.get_num_threads()  # else it starts as many processes as there are cores
    torch._dynamo.config.recompile_limit = 64  # beyond it torch goes on eagerly; each shape of a batch is compiled
    compiled: Score = torch.compile(model.score, dynamic=False)
    return compiled


class Called:
    """The host calls each step."""

    peak_bytes = 0

    def __init__(self, passes: Sequence[Pass], device: str, *, compiles: bool) -> None:
        self._cold = [*passes] if compiles else []
        self._asks = device == "cpu"  # to ask a GPU is to wait for it

    def ready(self) -> None:
        """Compile."""
        _warm_up(self._cold, 1)
        self._cold = []

    def run(self, one: Pass, should_stop: Callable[[], bool]) -> None:
        """On a CPU the steps end as soon as no member trains any more."""
        one.begin()
        for size in one.batches.sizes:
            if should_stop():
                raise DroppedError
            if self._asks and one.idle:
                break
            one.step(size)


class Replayed:
    """A GPU replays steps that were captured as CUDA graphs, all in one pool of memory.

    A capture that failed keeps its memory until its process ends, so that there are no more captures in this one.
    """

    failed: ClassVar[bool] = False

    def __init__(self, passes: Sequence[Pass]) -> None:
        self._passes = passes
        self._launches: dict[Pass, list[Any]] = {}
        self.peak_bytes = 0

    def ready(self) -> None:
        """Warm up, where memory that does not suffice is found, and capture; CannotRunError if that is not possible."""
        if self._launches:
            return
        torch.cuda.reset_peak_memory_stats()
        self._stream, self._pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
        with self._beside():
            _warm_up(self._passes, _WARM_UPS)
        try:
            self._launches = {one: self._captured(one) for one in self._passes}
        except RuntimeError as error:
            type(self).failed = True
            raise CannotRunError(
                f"a GPU must be able to replay a step, but it cannot be captured ({last_line(error)}): "
                "set resources.engine to eager"
            ) from error
        self.peak_bytes = torch.cuda.max_memory_allocated()

    def run(self, one: Pass, should_stop: Callable[[], bool]) -> None:
        """The host stays a few launches ahead, no more, to stop in time."""
        one.begin()
        ahead: deque[Any] = deque()
        for graph in self._launches[one]:
            if should_stop():
                raise DroppedError
            graph.replay()
            ahead.append(self._mark())
            if len(ahead) > _AHEAD:
                ahead.popleft().synchronize()

    def _captured(self, one: Pass) -> list[Any]:
        """The graphs of a pass in the order in which they are replayed."""
        order = launches(one.batches.sizes)
        graphs = {launch: self._capture(one, *launch) for launch in dict.fromkeys(order)}
        return [graphs[launch] for launch in order]

    def _capture(self, one: Pass, size: int, steps: int) -> Any:
        graph = torch.cuda.CUDAGraph()
        for generator in one.batches.generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            for _ in range(steps):
                one.step(size)
        return graph

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """On the stream that captures, after all that was begun before and before all that follows."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield
        torch.cuda.current_stream().wait_stream(self._stream)

    def _mark(self) -> Any:
        """What can be waited for until the GPU has come so far."""
        event = torch.cuda.Event(blocking=True)
        event.record()
        return event


def launches(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Of a pass over batches of these sizes: the size of the batches of each launch, and how many they are."""
    made: list[tuple[int, int]] = []
    for size, alike in groupby(sizes):
        eights, ones = divmod(len(list(alike)), _AT_ONCE)
        made += [(size, _AT_ONCE)] * eights + [(size, 1)] * ones
    return made


def _warm_up(passes: Sequence[Pass], times: int) -> None:
    """Take some steps of each size and put all buffers back."""
    for one in passes:
        before = [tensor.clone() for tensor in one.buffers]
        for size in dict.fromkeys(one.batches.sizes):
            for _ in range(times):
                one.batches.rewind()
                one.step(size)
        for tensor, value in zip(one.buffers, before, strict=True):
            tensor.copy_(value)
