"""One sweep by the real command, whose driver and training processes are killed again and again, read all along."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from command import start
from place import Place, own_place
from twin import expected, outcomes, table

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.tables.lock import sweep_lock
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.read import read_trials

YAML = """
name: kills
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 400, test_images: 50,
       batch_size: 32, epochs: EPOCHS}
space: {K: {grid_search: [1, 3]}}
seeds: 2
resources: {checkpoint_seconds: 0.3, gpu: 0, pack: PACK}
"""
NEVER = 1_000_000  # epochs of a run that is to be killed
TRAINER_KILLS_A_RUN = 3  # of one pack; after more its trials count as failed


@dataclass
class KillLoop:
    """A sweep that is killed, after how many acknowledged epochs is chance, and then trains `more` to its end."""

    place: Place
    folder: Path
    pack: object
    more: int
    random: Random
    epochs: int = NEVER
    killed: list[str] = field(default_factory=list)
    seen: list[pd.DataFrame] = field(default_factory=list)  # the table at each kill
    packs: set[tuple[tuple[str, ...], ...]] = field(default_factory=set)  # on record at each kill
    _spared: int = TRAINER_KILLS_A_RUN

    @property
    def text(self) -> str:
        return YAML.replace("PACK", str(self.pack)).replace("EPOCHS", str(self.epochs))

    @property
    def paths(self) -> SweepPaths:
        return SweepPaths(self.folder / "results", "kills")

    def run(self, victims: list[str]) -> tuple[int, str]:
        """Kill all of them, in order; after the last driver the sweep may end: that run's exit code and messages."""
        process = self._start()
        for number, victim in enumerate(victims, 1):
            self._wait(process, self.random.choice([0, self.random.randint(1, 40)]))
            self.seen.append(self._table())
            if self.paths.manifest.exists():
                self.packs.add(tuple(sorted(read_manifest(self.paths).packs)))
            if process.poll() is not None:
                break
            if victim == "driver":
                process.kill()
                process.communicate()
                if "driver" not in victims[number:]:
                    self.epochs = max([0, *self._table()["epoch"]]) + self.more
                process, self._spared = self._start(), TRAINER_KILLS_A_RUN
                self.killed.append(victim)
            elif (trainers := self._trainers(process)) and self._spared:
                with suppress(ProcessLookupError):  # it may just have ended
                    os.kill(self.random.choice(trainers), signal.SIGKILL)
                    self.killed.append(victim)
                    self._spared -= 1
        _, err = process.communicate(timeout=240)
        return process.returncode, err

    def _start(self) -> subprocess.Popen[str]:
        file = self.folder / "kills.yaml"
        file.write_text(self.text)
        return start("run", file, "--results", self.folder / "results", "--quiet", **self.place.environment)

    def _trainers(self, process: subprocess.Popen[str]) -> list[int]:
        """Those that train, once there are any: between two packs there may be none."""
        while not (trainers := self.place.trainers()) and process.poll() is None:
            time.sleep(0.02)
        return trainers

    def _wait(self, process: subprocess.Popen[str], more: int) -> None:
        """Until it has acknowledged so many epochs more; none: until it is about to train, which is recovery."""
        before, patience = len(self._table()), time.monotonic() + 120
        while process.poll() is None and time.monotonic() < patience:
            if self.place.trainers() and len(self._table()) >= before + more:
                return
            time.sleep(0.1)

    def _table(self) -> pd.DataFrame:
        return table(self.paths.epochs) if self.paths.epochs.exists() else pd.DataFrame({"epoch": []})


@contextmanager
def reading(folder: Path, pause: float) -> Iterator[Callable[[], dict[str, object]]]:
    """A reader beside; its findings, once it is asked for them."""
    reader = Path(__file__).with_name("reader.py")
    with subprocess.Popen(
        [sys.executable, reader, folder, str(pause)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield lambda: json.loads(process.communicate()[0])
        process.kill()  # nothing, if it was asked


def check(tmp_path: Path, seed: int, *, pack: object, more: int, victims: list[str], pause: float) -> dict[str, int]:
    """Run the kill loop and compare its end with a sweep that nothing happened to; what there was to see."""
    with own_place() as place:
        loop = KillLoop(place, tmp_path, pack, more, Random(seed))
        with reading(loop.paths.epochs, pause) as findings:
            code, err = loop.run(victims)
            found = findings()
    assert (code, found["wrong"]) == (0, []), err
    end = table(loop.paths.epochs)
    trials = parse(loop.text, "kills.yaml").trials()
    pd.testing.assert_frame_equal(outcomes(end), expected(trials, load("digits")), check_exact=True)
    for seen in loop.seen:
        if len(seen):
            pd.testing.assert_frame_equal(
                end.merge(seen[["trial_id", "epoch"]]), seen, check_exact=True
            )  # time and all
    assert len({packs for packs in loop.packs | {tuple(sorted(read_manifest(loop.paths).packs))} if packs}) == 1
    assert read_trials(loop.paths.epochs)["status"].tolist() == ["done"] * len(trials)
    assert list(loop.paths.temporary.iterdir()) == []
    with sweep_lock(loop.paths):
        pass
    kills = {kind: loop.killed.count(kind) for kind in ("driver", "trainer")}
    sys.stdout.write(f"seed {seed}, pack {pack}: {kills}, {found['reads']} reads, {end['attempt'].max()} attempts\n")
    return {**kills, "reads": int(found["reads"])}


def test_a_sweep_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path):
    """The driver is killed before the trainer's successor has an epoch: this seed wants no more of it."""
    told = check(tmp_path, 5, pack=2, more=10, victims=["trainer", "driver"], pause=0.1)
    assert (told["trainer"], told["driver"]) == (1, 1)
    assert told["reads"] > 10


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_so_it_does_whoever_is_killed_and_when(tmp_path: Path, seed: int):
    pack = (2, "auto", 1, 4)[seed % 4]
    victims = Random(seed).sample(4 * ["driver"] + 5 * ["trainer"], 9)
    told = check(tmp_path, seed, pack=pack, more=60, victims=victims, pause=0.0)
    assert told["driver"] + told["trainer"] >= 5  # the sweep may end before the last
    assert told["reads"] >= 2000


@pytest.mark.long
def test_soak(tmp_path: Path):
    victims = Random(99).sample(20 * ["driver"] + 20 * ["trainer"], 40)
    told = check(tmp_path, 99, pack=2, more=60, victims=victims, pause=0.0)
    assert told["driver"] + told["trainer"] >= 30
    assert told["reads"] >= 10_000
