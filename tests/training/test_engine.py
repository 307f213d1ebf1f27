"""The engines: which numbers are equal, and how a GPU would be used, with one that is played on a processor."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import ClassVar

import pytest
import torch
from runs import assert_same_state, configured, run
from twin import unchecked

from tmc_sweep.data import Images, Split
from tmc_sweep.errors import CannotRunError
from tmc_sweep.models import build
from tmc_sweep.training import Pack, TrialState, pack
from tmc_sweep.training.engine import Called, Replayed, launches, runner, score_of
from tmc_sweep.training.step import Evaluation, Training

DREGS = {"objective": "iwae", "gradient": "dregs"}
ONE, TWO = {"architecture": {"latents": [4]}}, {"architecture": {"latents": [4, 4]}}
COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CASES = [  # on a CPU the plain gradient of TMC is compiled by the engine's benchmark
    pytest.param("cpu", ONE | DREGS, marks=[COMPILER, pytest.mark.long]),
    pytest.param("cpu", TWO | DREGS, marks=[COMPILER, pytest.mark.long]),
    pytest.param("cuda", ONE, marks=GPU),
    pytest.param("cuda", TWO | DREGS, marks=GPU),
]

TRAIN = """
import gc, json, sys, torch, weakref
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split, load
from tmc_sweep.training import Pack, TrialState

device, rows = sys.argv[1], {}
torch.set_num_threads(1)
sizes = {"K": 2, "train_images": 288 if device == "cpu" else 300, "test_images": 32, "batch_size": 32}
fields = {**json.loads(sys.argv[2]), **sizes}
configs = [TrialConfig.parse({**fields, "seed": seed}) for seed in (0, 1)]
for engine in ("eager", "graph", "compiled"):
    data = Split.of(load("digits"), configs[0], device)
    pack = Pack([TrialState.initial(config) for config in configs], data, device, engine=engine)
    records = [record for _ in range(2) for record in pack.train_epoch()]
    rows[engine] = [[value for value in record.outcome() if value is not None] for record in records]
    left, pack = weakref.ref(pack.parameters["p.0.first.weight"]), None
    gc.collect()
    assert left() is None, "a pack's memory must not outlive it"
assert torch._inductor.config.compile_threads == 1
print(json.dumps(rows))
"""  # in a process of its own: here every call is checked for its shapes, which cannot be compiled


@pytest.mark.parametrize(("device", "fields"), CASES)
def test_a_graph_has_the_bits_of_eager_and_compiled_its_numbers_up_to_rounding(device: str, fields: dict[str, object]):
    command = [sys.executable, "-c", TRAIN, device, json.dumps(fields)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    assert len(rows["eager"]) == 4
    assert rows["graph"] == rows["eager"]
    for expected, got in zip(rows["eager"], rows["compiled"], strict=True):
        assert got == pytest.approx(expected, rel=1e-4)
    assert rows["compiled"] != rows["eager"]  # it was compiled


class Graph:
    """Of CUDA: it keeps what was captured, and takes it when it is replayed."""

    def __init__(self) -> None:
        self.taken: list[tuple[Training | Evaluation, int]] = []
        self.generators: list[torch.Generator] = []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        for one, size in self.taken:
            assert set(one.batches.generators) <= set(self.generators)
            one.step(size)


class Stream:
    def wait_stream(self, other: object) -> None:
        pass


class Event:
    """Of CUDA: `open` are those that were recorded and not yet waited for."""

    open: ClassVar[list["Event"]] = []
    most = 0

    def __init__(self, blocking: bool) -> None:
        assert blocking

    def record(self) -> None:
        Event.open.append(self)
        Event.most = max(Event.most, len(Event.open))

    def synchronize(self) -> None:
        del Event.open[: Event.open.index(self) + 1]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is played on the processor: a step that is taken inside of a capture is not done."""

    @contextmanager
    def graph(captured: Graph, pool: object, stream: object) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for one in (Training, Evaluation):
                patch.setattr(one, "step", lambda self, size: captured.taken.append((self, size)))
            yield

    cuda = {"CUDAGraph": Graph, "Stream": Stream, "Event": Event, "graph": graph}
    cuda |= {"current_stream": Stream, "stream": nullcontext, "graph_pool_handle": object}
    cuda |= {"reset_peak_memory_stats": lambda: None, "max_memory_allocated": lambda: 2**50}
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(pack, "runner", lambda of, passes, device: runner(of, passes, "cuda"))
    monkeypatch.setattr(Replayed, "failed", False)
    monkeypatch.setattr(Event, "open", [])
    monkeypatch.setattr(Event, "most", 0)


BINARIZED = {"batch_size": 12, "binarize": "dynamic", "validation_images": 20}


@pytest.mark.usefixtures("played")
@unchecked()
def test_steps_that_are_replayed_are_those_that_are_called(digits: Images):
    configs = [configured(**BINARIZED, seed=seed) for seed in (0, 1)]
    replayed = Pack([TrialState.initial(config) for config in configs], Split.of(digits, configs[0]), engine="graph")
    for _ in range(2):
        records = replayed.train_epoch()
    assert isinstance(replayed._runner, Replayed)
    assert records[0].peak_memory_bytes == 2**50
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "runner", runner)
        for index, state in enumerate(run(digits, *configs)):
            assert_same_state(replayed.state(index), state)


def test_compiling_and_capturing_are_no_part_of_an_epochs_seconds(digits: Images, monkeypatch: pytest.MonkeyPatch):
    now, ready = [0.0], Called.ready
    monkeypatch.setattr(pack.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Called, "ready", lambda self: now.append(now.pop() + 60.0) or ready(self))
    config = configured()
    (record,) = Pack([TrialState.initial(config)], Split.of(digits, config)).train_epoch()
    assert (now, record.epoch_seconds) == ([60.0], 0.0)


def test_a_launch_is_of_eight_steps_and_the_rest_are_launched_one_by_one():
    assert launches([128] * 19 + [5]) == [(128, 8)] * 2 + [(128, 1)] * 3 + [(128 - 123, 1)]
    assert launches([7]) == [(7, 1)]
    assert launches([]) == []


@pytest.mark.usefixtures("played")
@unchecked()
def test_the_host_is_a_few_launches_ahead_and_asks_before_each_whether_to_stop(digits: Images):
    config, asked = configured(batch_size=2), 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 9

    data = Split.of(digits, config)
    replayed = Pack([TrialState.initial(config)], data, engine="graph", should_stop=should_stop)
    assert replayed.train_epoch() == []
    assert Event.most == 6
    assert_same_state(replayed.state(0), TrialState.initial(config))


@pytest.mark.usefixtures("played")
@unchecked()
def test_a_step_that_cannot_be_captured_is_called_if_one_asks_for_that(digits: Images, monkeypatch: pytest.MonkeyPatch):
    def cannot(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing")

    config = configured()
    state, data = TrialState.initial(config), Split.of(digits, config)
    monkeypatch.setattr(torch.cuda, "graph", cannot)
    with pytest.raises(CannotRunError) as failed:
        Pack([state], data, engine="graph").train_epoch()
    assert str(failed.value) == (
        "a GPU must be able to replay a step, but it cannot be captured (CUDA error: operation not permitted "
        "when stream is capturing): set resources.engine to eager"
    )
    assert Pack([state], data, engine="eager").train_epoch()
    assert isinstance(Pack([state], data, engine="graph")._runner, Called)  # no capture again in this process


def test_a_processor_calls_its_steps():
    assert isinstance(runner("graph", [], "cpu"), Called)
    model = build(configured())
    assert score_of(model, "graph") == score_of(model, "eager") == model.score
