"""What a forecast asks of a GPU here: nothing that begins CUDA."""

import pytest
import torch
from invented_gpus import Card, install

from tmc_sweep.costs import Cost
from tmc_sweep.space.load import parse
from tmc_sweep.sweep import worker
from tmc_sweep.sweep.forecast import forecast
from tmc_sweep.training import cost

SPACE = parse("{name: tiny, base: {epochs: 1, K: 2}, seeds: 4, resources: {pack: 1}}", "tiny.yaml")
ONE_GPU = [{"CPU": 4.0, "GPU": 1.0}]


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    install(monkeypatch, Card())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("CUDA was begun"))


def measured(seconds: float, at_once: int) -> None:
    """Let this be what is remembered of a pack of one."""
    known = Cost(seconds, 0.0, 2**30, 2**29, 80 * 2**30)
    cost(SPACE.trials()[0], 1, "cuda", "eager", at_once, lambda *_: known)


def test_costs_and_shares_that_were_measured_before_are_known_without_cuda():
    with worker.settings_kept():
        torch.set_num_threads(1)
        measured(1.0, 1)
        measured(1.2, 2)
        measured(2.4, 4)
    found = forecast(SPACE, SPACE.trials(), {}, [], ONE_GPU, here=True)
    assert {plan.gpu for plan in found.packs} == {0.5}
    (cell,) = {config.cell_id for config in SPACE.trials()}
    assert (found.slots, found.gpu[cell]) == (2, 0.5)
    assert found.epoch_seconds[cell] == pytest.approx(1.2 * SPACE.trials()[0].steps_per_epoch)


def test_what_is_measured_now_is_measured_in_processes_of_its_own(monkeypatch: pytest.MonkeyPatch):
    def together(*_: object, share: float, processes: int) -> Cost:
        asked.append((share, processes))
        return Cost(float(processes), 0.0, 2**30, 2**29, 80 * 2**30)

    asked: list[tuple[float, int]] = []
    monkeypatch.setattr(worker, "together", together)
    assert {plan.gpu for plan in forecast(SPACE, SPACE.trials(), {}, [], ONE_GPU, here=True, probe=True).packs} == {1.0}
    assert asked == [(1.0, 1), (0.5, 2)]
