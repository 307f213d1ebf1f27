"""Packs through Ray Tune, with a trainable that trains nothing: whatever becomes of processes, each pack is trained."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from place import Place
from ray import tune

from tmc_sweep.sweep.tune import MAX_FAILURES, _Ended, _tuner, one_after_another, train_all

pytestmark = pytest.mark.cluster


def trainable(folder: Path, during: str, dies: Callable[[int], bool]) -> type[tune.Trainable]:
    """Leaves a file for each pack it has trained; while `dies`, its process does so instead, and leaves another."""

    class Trainable(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.pack = config["pack"]["number"]

        def step(self) -> dict[str, Any]:
            self.perhaps_die("step")
            (folder / f"trained-{self.pack}").touch()
            return {"done": True}

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.perhaps_die("reset")
            self.pack = new_config["pack"]["number"]
            return True

        def perhaps_die(self, now: str) -> None:
            deaths = len([*folder.glob("died-*")])
            if now == during and self.pack == 1 and dies(deaths):
                (folder / f"died-{deaths}").touch()
                os._exit(1)

    return Trainable


@pytest.fixture
def trained(local_ray: Place, tmp_path: Path) -> Callable[..., tuple[dict[int, str], list[str]]]:
    def run(during: str, dies: Callable[[int], bool]) -> tuple[dict[int, str], list[str]]:
        packs = [{"number": number, "cpu": 2.0, "gpu": 0.0} for number in range(4)]  # one at a time
        reasons = train_all(trainable(tmp_path, during, dies), packs, tmp_path / "scratch", lambda: False)
        return reasons, sorted(path.name for path in tmp_path.iterdir() if path.is_file())

    return run


def test_a_pack_whose_process_dies_while_it_is_made_ready_for_it_is_trained_after_all(trained):
    _, left = trained("reset", lambda deaths: deaths == 0)
    assert left == ["died-0", *(f"trained-{number}" for number in range(4))]


def test_a_pack_whose_process_dies_over_and_over_is_given_up_with_the_reason_and_no_other_is(trained):
    reasons, left = trained("step", lambda _: True)
    assert reasons[1] == f"its process died {MAX_FAILURES + 1} times"
    assert left == [*(f"died-{death}" for death in range(MAX_FAILURES + 1)), "trained-0", "trained-2", "trained-3"]


def test_what_a_search_lets_wait_for_nodes_is_forgotten_by_the_next_sweep(tmp_path: Path):
    for packs, pending in ((one_after_another([], list, lambda _: None, 3), "3"), ([], "auto")):
        _tuner(trainable(tmp_path, "", bool), packs, tmp_path, False, _Ended())
        assert os.environ["TUNE_MAX_PENDING_TRIALS_PG"] == pending
