"""What Tune's trial passes on of what its pack gets."""

from types import SimpleNamespace

import pytest
import ray
from twin import RecordedChannel, small

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.schema import Resources
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep import trainable, worker
from tmc_sweep.sweep.packing import PackPlan


def test_the_share_of_a_gpu_is_on_record(digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch):
    config = small()
    recorder = Recorder.open(paths, [config])
    asked: list[float] = []
    monkeypatch.setattr(ray, "get", lambda value: value)
    monkeypatch.setattr(trainable, "QueueChannel", lambda _: RecordedChannel(recorder))
    monkeypatch.setattr(worker, "prepare", lambda cpu, gpu, tf32: asked.append(gpu) or "cpu")
    packs = {7: PackPlan((config,), 1.0, 0.25, "eager")}
    tuned = trainable.PackTrainable.__new__(trainable.PackTrainable)
    tuned.setup(
        {"pack": {"number": 7}},
        images={"digits": digits},
        queue=SimpleNamespace(pack=SimpleNamespace(remote=packs.get)),
        resources=Resources(),
    )
    tuned.step()
    assert (asked, recorder.row(config.trial_id)["gpu"]) == ([0.25], 0.25)
