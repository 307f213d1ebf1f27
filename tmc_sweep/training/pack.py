"""Trials of equal shapes, trained together: their parameters are stacked, and all else stays each member's own.

Each member has its data order and noise, its learning rate and Adam moments, its epoch counter and its outcome. A
member that diverges is left as it was before the fatal step; the others go on undisturbed. An epoch is two passes of
steps (`step.py`), at whose ends alone the device is waited for.
"""

import math
import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import torch
from torch import Tensor

from tmc_sweep.config import EarlierConfig, TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.data import Split
from tmc_sweep.errors import InputError
from tmc_sweep.models import Parameters, build
from tmc_sweep.records import EpochRecord
from tmc_sweep.registry import BOUNDS
from tmc_sweep.training.engine import DroppedError, runner, score_of
from tmc_sweep.training.member import Members
from tmc_sweep.training.memory import keep_freed_memory
from tmc_sweep.training.randomness import Purpose
from tmc_sweep.training.state import TrialState
from tmc_sweep.training.step import Batches, Draws, Evaluation, Training

Row = dict[str, float | None]  # what an epoch measures of one member, by column
_NAN = float("nan")


def check_trainable(config: TrialConfig) -> None:
    """InputError if no code makes such a trial's numbers any more."""
    if isinstance(config, EarlierConfig):
        raise InputError(
            f"trial {config.trial_id} must be trained by the version that began it, since pixels of binarize: "
            f"{config.binarize} are drawn in another way now: use that one (git_commit in the trial table), or run the "
            "sweep again, which trains it anew under another name"
        )


class Pack:
    """The states of several trials with one `pack_key`, stacked on one device, between two epochs."""

    def __init__(
        self,
        states: Sequence[TrialState],
        data: Split,
        device: str = "cpu",
        attempts: Sequence[int] = (),
        engine: Engine = "eager",
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stack copies of the states; `attempts` number the current start of each trial's training (default: 1).

        `should_stop` is asked before each minibatch, or each launch of some, whether to drop the epoch in progress.
        InputError if one of them is of earlier numerics.
        """
        for state in states:
            check_trainable(state.config)
        if device == "cpu":
            keep_freed_memory()
        self.config = states[0].config
        self.data = data
        self.device = device
        self.attempts = list(attempts) or [1] * len(states)
        self.model = build(self.config, len(states))
        self._members = Members(states, self.model.shapes, device)
        self._here = list(range(len(states)))  # places in the stack of those that train
        self._should_stop = should_stop
        config, score = self.config, score_of(self.model, engine)
        drawn = self._batches(data.train, config.K, Purpose.TRAINING_NOISE, Purpose.TRAINING_PIXELS)
        self._training = Training(drawn, self._members, score, config.objective, config.gradient)
        validation = self._batches(data.validation, config.eval_k, Purpose.VALIDATION_NOISE, Purpose.VALIDATION_PIXELS)
        test = self._batches(data.test, config.eval_k, Purpose.TEST_NOISE, Purpose.TEST_PIXELS)
        names = tuple(dict.fromkeys((*BOUNDS, config.objective)))
        self._evaluations = {
            split: Evaluation(batches, self._members, score, names)
            for split, batches in (("val", validation), ("test", test))
        }
        self._runner = runner(engine, [self._training, *self._evaluations.values()], device)

    def _batches(self, images: Tensor, k: int, noise: Purpose, pixels: Purpose) -> Batches:
        draws = Draws(k, self.model.latents, self.config.binarize, noise, pixels)
        return Batches(images, self.config.batch_size, len(self._members.states), draws)

    @property
    def parameters(self) -> Parameters:
        """All members' parameters by name, [member, …], as they stand."""
        return self._members.parameters

    @property
    def states(self) -> list[TrialState]:
        """The states of the members that train, as they stand, sharing the pack's tensors."""
        return [self._members.states[place] for place in self._here]

    def state(self, index: int) -> TrialState:
        """One of these states, detached from the pack's tensors."""
        return self.states[index].copy()

    def keep(self, indices: Sequence[int]) -> bool:
        """Train only these of the `states` from now on; False, and nothing is done, where a new pack is cheaper.

        Who leaves stays in the stack, frozen. A CPU would pay for it as before; on a GPU it costs little, and a new
        stack's steps would have to be captured or compiled anew, so one is made only once half have left.
        """
        if self.device == "cpu" or 2 * len(indices) <= len(self._members.states):
            return False
        self._here, left = [self._here[index] for index in indices], set(self._here)
        self.attempts = [self.attempts[index] for index in indices]
        for place in left.difference(self._here):
            self._members.frozen[place] = 1
        return True

    def train_epoch(self) -> list[EpochRecord]:
        """All training images once in random minibatches, then the others once in order; one record a state.

        No records if the epoch was dropped; the members are then as they were before it.
        """
        before = [tensor.clone() for tensor in self._members.buffers]
        try:
            return self._epoch()
        except DroppedError:
            for tensor, value in zip(self._members.buffers, before, strict=True):
                tensor.copy_(value)
            return []

    def _epoch(self) -> list[EpochRecord]:
        self._runner.ready()
        started = time.perf_counter()
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        objective, grad_norm, diverged = self._train()
        evaluation_started = time.perf_counter()
        means = {split: self._evaluate(evaluation) for split, evaluation in self._evaluations.items()}
        ended = time.perf_counter()
        records = []
        for index, place in enumerate(self._here):
            row: Row = {"train_objective": objective[place].item(), "grad_norm": grad_norm[place].item()}
            for split, of_split in means.items():
                row |= _scores(split, of_split, place, self.config)
            if diverged[place]:
                row = {name: value if value is None else _NAN for name, value in row.items()}
            seconds = {"epoch_seconds": ended - started, "eval_seconds": ended - evaluation_started}
            records.append(self._record(index, row, **seconds))
        return records

    def _train(self) -> tuple[Tensor, Tensor, Tensor]:
        """One pass that trains: each member's mean objective and gradient norm, and whether it has diverged."""
        self._runner.run(self._training, self._should_stop)
        return self._training.read()

    def _evaluate(self, evaluation: Evaluation) -> dict[str, Tensor]:
        """Mean of every bound over the images, in order, all on the same samples; empty if there are no images."""
        self._runner.run(evaluation, self._should_stop)
        return evaluation.read()

    def _record(self, index: int, measured: Row, **seconds: float) -> EpochRecord:
        state = self.states[index]
        record = EpochRecord(
            trial_id=state.config.trial_id,
            epoch=state.epoch + 1,
            **measured,  # type: ignore[arg-type]
            **seconds,
            peak_memory_bytes=max(_peak_memory_bytes(self.device), self._runner.peak_bytes),
            attempt=self.attempts[index],
            time=datetime.now(UTC),
        )
        state.history.append(record)
        return record


def _scores(split: str, means: dict[str, Tensor], place: int, config: TrialConfig) -> Row:
    """One member's columns of one split; None where it has no images."""
    columns = {**{name: name for name in BOUNDS}, "objective": config.objective}
    return {
        f"{split}_{column}": _finite(means[name][place].item()) if means else None for column, name in columns.items()
    }


def _finite(value: float) -> float:
    """Infinities as NaN: a table says in one way only that something was not finite."""
    return value if math.isfinite(value) else _NAN


def _peak_memory_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
