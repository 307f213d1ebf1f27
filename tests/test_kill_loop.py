"""One sweep by the real command, whose driver and training processes are killed again and again, read all along."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
from command import start
from gate import Gate
from place import Place, own_place
from twin import expected, outcomes, table
from wait import HANGS_SECONDS, wait_until

from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space.load import parse
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials

pytestmark = pytest.mark.cluster

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
    """A sweep that is killed, each time after so many acknowledged epochs, and then trains `more` to its end."""

    place: Place
    folder: Path
    pack: object
    more: int
    random: Random
    epochs: int = NEVER
    killed: list[str] = field(default_factory=list)
    seen: list[pd.DataFrame] = field(default_factory=list)  # the table at each kill
    packs: set[tuple[str, ...]] = field(default_factory=set)  # that were on record at a kill
    _recovers: bool = True
    _spared: int = TRAINER_KILLS_A_RUN

    @property
    def text(self) -> str:
        return YAML.replace("PACK", str(self.pack)).replace("EPOCHS", str(self.epochs))

    @property
    def paths(self) -> SweepPaths:
        return SweepPaths(self.folder / "results", "kills")

    @property
    def gate(self) -> Gate:
        return Gate(self.folder)

    def run(self, victims: list[str], after: list[int], beside: Callable[[], None]) -> tuple[int, str]:
        """Kill all of them, in order; after the last driver the sweep may end: that run's exit code and messages.

        Each after so many epochs more (none: in a first one, which is recovery), and what happens beside.
        """
        self._let(after[0])
        process = self._start()
        for number, (victim, more) in enumerate(zip(victims, after, strict=True), 1):
            self._wait(process, more)
            beside()
            self.seen.append(self._table())
            if self.paths.manifest.exists():
                self.packs |= set(read_manifest(self.paths).packs)
            if process.poll() is not None:
                break
            self._let(after[number] if number < len(after) else self.more)
            if victim == "driver":
                process.kill()
                process.communicate()
                if "driver" not in victims[number:]:
                    self.epochs = max([0, *self._table()["epoch"]]) + self.more
                process, self._spared, self._recovers = self._start(), TRAINER_KILLS_A_RUN, True
                self.killed.append(victim)
            elif (trainers := self._trainers(process)) and self._spared:
                with suppress(ProcessLookupError):  # it may just have ended
                    os.kill(self.random.choice(trainers), signal.SIGKILL)
                    self._recovers = True
                    self.killed.append(victim)
                    self._spared -= 1
        _, err = process.communicate(timeout=HANGS_SECONDS)
        return process.returncode, err

    def _let(self, more: int) -> None:
        """Let packs train, or those that begin none but their first epoch, without an end."""
        if more:
            self.gate.open()
        else:
            self.gate.close(0)

    def _start(self) -> subprocess.Popen[str]:
        file = self.folder / "kills.yaml"
        file.write_text(self.text)
        environment = {**self.place.environment, **self.gate.environment}
        return start("run", file, "--results", self.folder / "results", "--quiet", **environment)

    def _trainers(self, process: subprocess.Popen[str]) -> list[int]:
        """Those that train, once there are any: between two packs there may be none."""
        wait_until(self.place.trainers, process)
        return self.place.trainers()

    def _wait(self, process: subprocess.Popen[str], more: int) -> None:
        """Until it has acknowledged so many epochs more; none: until a pack is in its first one."""
        wanted = len(self._table()) + more
        if self._recovers and not more:
            wait_until(lambda: any(map(self.gate.waits, self.place.trainers())), process)
        else:
            wait_until(lambda: len(self._table()) >= wanted, process)
        self._recovers = False

    def _table(self) -> pd.DataFrame:
        return table(self.paths.epochs) if self.paths.epochs.exists() else pd.DataFrame({"epoch": []})


@dataclass
class Reader:
    """A reader in a process of its own."""

    process: subprocess.Popen[str]

    def findings(self) -> dict[str, Any]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def read(self, times: int) -> None:
        """Let it read so many times more."""
        wanted = self.findings()["reads"] + times
        wait_until(lambda: self.findings()["reads"] >= wanted)


@contextmanager
def reading(folder: Path, pause: float) -> Iterator[Reader]:
    """A reader beside."""
    command = [sys.executable, Path(__file__).with_name("reader.py"), folder, str(pause)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Reader(process)
        process.stdin.close()


def check(
    tmp_path: Path, random: Random, *, pack: object, more: int, victims: list[str], after: list[int], reads: int
) -> dict[str, int]:
    """Run the kill loop and compare its end with a sweep that nothing happened to; how many were killed."""
    with own_place() as place:
        loop = KillLoop(place, tmp_path, pack, more, random)
        with reading(loop.paths.epochs, pause=0.0 if reads > 100 else 0.1) as reader:
            code, err = loop.run(victims, after, lambda: reader.read(reads))
            found = reader.findings()
    assert (code, found["wrong"]) == (0, []), err
    end = table(loop.paths.epochs)
    trials = parse(loop.text, "kills.yaml").trials()
    pd.testing.assert_frame_equal(outcomes(end), expected(trials, load("digits")), check_exact=True)
    for seen in loop.seen:
        if len(seen):
            pd.testing.assert_frame_equal(
                end.merge(seen[["trial_id", "epoch"]]), seen, check_exact=True
            )  # time and all
    packs = read_manifest(loop.paths).packs
    assert loop.packs <= set(packs)
    assert sorted(trial_id for pack in packs for trial_id in pack) == sorted(config.trial_id for config in trials)
    assert read_trials(loop.paths.epochs)["status"].tolist() == ["done"] * len(trials)
    assert list(loop.paths.temporary.iterdir()) == []
    with sweep_lock(loop.paths):
        pass
    kills = {kind: loop.killed.count(kind) for kind in ("driver", "trainer")}
    sys.stdout.write(f"pack {pack}: {kills}, {found['reads']} reads, {end['attempt'].max()} attempts\n")
    return kills


def test_a_sweep_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path):
    """The driver is killed before the trainer's successor has an epoch."""
    victims = ["trainer", "driver"]
    assert check(tmp_path, Random(5), pack=2, more=10, victims=victims, after=[20, 0], reads=6) == {
        "trainer": 1,
        "driver": 1,
    }


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_so_it_does_whoever_is_killed_and_when(tmp_path: Path, seed: int):
    pack = (2, "auto", 1, 4)[seed % 4]
    random = Random(seed)
    victims = random.sample(4 * ["driver"] + 5 * ["trainer"], 9)
    killed = check(tmp_path, random, pack=pack, more=60, victims=victims, after=some(random, 9), reads=500)
    assert sum(killed.values()) >= 5  # the sweep may end before the last


@pytest.mark.long
def test_soak(tmp_path: Path):
    random = Random(99)
    victims = random.sample(20 * ["driver"] + 20 * ["trainer"], 40)
    killed = check(tmp_path, random, pack=2, more=60, victims=victims, after=some(random, 40), reads=250)
    assert sum(killed.values()) >= 30


def some(random: Random, times: int) -> list[int]:
    """After how many epochs more, each time; half the times none."""
    return [random.choice([0, random.randint(1, 40)]) for _ in range(times)]
