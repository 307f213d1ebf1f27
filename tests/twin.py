"""A sweep in this process: the writer is called directly where a cluster would carry its messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import pandas as pd

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import OUTCOME_COLUMNS
from tmc_sweep.shapes import pack_key
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.messages import Message, Reply
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import missing
from tmc_sweep.sweep.inline import DirectChannel
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.sweep.packing import packs
from tmc_sweep.training import train

NEVER = 1e9  # seconds between checkpoints
SMALL = {
    "objective": "iwae",
    "architecture": {"latents": [12, 4]},
    "train_images": 100,
    "test_images": 40,
    "batch_size": 64,
    "K": 2,
    "epochs": 3,
}


def small(**fields: object) -> TrialConfig:
    """A trial of a few milliseconds an epoch on digits, its widths multiples of 4."""
    return TrialConfig.parse({**SMALL, **fields})


class RecordedChannel(DirectChannel):
    """Hands messages to a recorder and commits, as a writer would; keeps what was sent."""

    stopping = False  # set by who wants it stopped

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(self._record)
        self.recorder = recorder
        self.sent: list[Message] = []

    def _record(self, messages: list[Message]) -> list[Reply]:
        self.sent += messages
        replies = [self.recorder.receive(message) for message in messages]
        self.recorder.commit()
        return replies


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the checks of shapes, which are half of a small trial's time and have tests of their own."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", before)


@unchecked()
def sweep(
    paths: SweepPaths, configs: Sequence[TrialConfig], images: Images, *, size: int = 1, text: str | None = None
) -> list[str]:
    """Train what is missing, as `run` does; the trials that were."""
    with sweep_lock(paths):
        open_manifest(paths, text)
        recorder = Recorder.open(paths, configs)
        left = missing(configs, {config.trial_id: recorder.row(config.trial_id) for config in configs})
        for group in packs(left, lambda _: size, pack_key, recorder.packs):
            finish(PackRun(group, images, RecordedChannel(recorder), "cpu", NEVER))
        recorder.release()
        recorder.commit()
    return [config.trial_id for config in left]


@unchecked()
def started(
    paths: SweepPaths, configs: Sequence[TrialConfig], images: Images, epochs: int, every_seconds: float = NEVER
) -> PackRun:
    """A pack after some epochs, abandoned there as by a crash unless the caller goes on."""
    run = PackRun(configs, images, RecordedChannel(Recorder.open(paths, configs)), "cpu", every_seconds)
    for _ in range(epochs):
        run.train_epoch()
    return run


@unchecked()
def finish(run: PackRun) -> None:
    """Train until no member has an epoch left."""
    while not run.finished:
        run.train_epoch()


def table(folder: Path) -> pd.DataFrame:
    """Every epoch, as any reader sees it: each (trial, epoch) once, without a gap, or this fails."""
    frame = pd.read_parquet(folder).sort_values(["trial_id", "epoch"], ignore_index=True)
    assert (frame.groupby("trial_id").cumcount() + 1).equals(frame["epoch"])
    return frame


def n_rows(folder: Path) -> int:
    """How many epochs are stored."""
    return len(pd.read_parquet(folder, columns=["epoch"])) if folder.exists() else 0


def outcomes(frame: pd.DataFrame) -> pd.DataFrame:
    """What a trial must reproduce to the bit, wherever it is trained."""
    return frame[["trial_id", "epoch", *OUTCOME_COLUMNS]].reset_index(drop=True)


@unchecked()
def expected(configs: Sequence[TrialConfig], images: Images) -> pd.DataFrame:
    """The same trials trained alone, without Ray, tables or interruption."""
    rows = [record for config in configs for record in train(config, images=images)]
    frame = pd.DataFrame([record.to_json() for record in rows]).sort_values(["trial_id", "epoch"])
    return outcomes(frame).astype(dict.fromkeys(OUTCOME_COLUMNS, float))
