"""Trials of equal shapes, trained together: their parameters are stacked, and all else stays each member's own.

Each member has its data order and noise, its learning rate and Adam moments, its epoch counter and its outcome. A
member that diverges is left as it was before the fatal step; the others go on undisturbed.
"""

import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Generator, Tensor

from tmc_sweep.config import EarlierConfig, Gradient, TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.data import Split, batch
from tmc_sweep.errors import InputError
from tmc_sweep.models import Model, build
from tmc_sweep.records import EpochRecord
from tmc_sweep.registry import BOUNDS
from tmc_sweep.training.member import Member, gradient_rows, stacked
from tmc_sweep.training.randomness import Purpose, binarized, generator, sample_noise
from tmc_sweep.training.state import TrialState

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

        `should_stop` is asked before each minibatch whether to drop the epoch in progress. InputError if one of them is
        of earlier numerics.
        """
        for state in states:
            check_trainable(state.config)
        self.config = states[0].config
        self.data = data
        self.device = device
        self.attempts = list(attempts) or [1] * len(states)
        self.model = build(self.config, len(states))
        self.parameters, self.members = stacked(states, self.model.shapes, device)
        self._score = _compiled(self.model, device) if engine == "compiled" else self.model.score
        self._should_stop = should_stop

    @property
    def states(self) -> list[TrialState]:
        """The members' states as they stand, sharing the pack's tensors."""
        return [member.state for member in self.members]

    def train_epoch(self) -> list[EpochRecord]:
        """All training images once in random minibatches, then the others once in order; one record a member.

        No records if the epoch was dropped; the members are then as they were before it.
        """
        before = [member.boundary() for member in self.members]
        try:
            return self._epoch()
        except _DroppedError:
            for member, boundary in zip(self.members, before, strict=True):
                member.back_to(boundary)
            return []

    def _epoch(self) -> list[EpochRecord]:
        started = time.perf_counter()
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        train, grad_norms = self._train()
        evaluation_started = time.perf_counter()
        validation = self._evaluate(self.data.validation, Purpose.VALIDATION_NOISE, Purpose.VALIDATION_PIXELS)
        test = self._evaluate(self.data.test, Purpose.TEST_NOISE, Purpose.TEST_PIXELS)
        ended = time.perf_counter()
        measured = [
            _trained(train[index], grad_norms[index], member.diverged)
            | _scores("val", validation, index, member)
            | _scores("test", test, index, member)
            for index, member in enumerate(self.members)
        ]
        return [
            self._record(index, values, epoch_seconds=ended - started, eval_seconds=ended - evaluation_started)
            for index, values in enumerate(measured)
        ]

    def _record(self, index: int, measured: dict[str, float | None], **seconds: float) -> EpochRecord:
        state = self.members[index].state
        record = EpochRecord(
            trial_id=state.config.trial_id,
            epoch=state.epoch + 1,
            **measured,  # type: ignore[arg-type]
            **seconds,
            peak_memory_bytes=_peak_memory_bytes(self.device),
            attempt=self.attempts[index],
            time=datetime.now(UTC),
        )
        state.history.append(record)
        return record

    def state(self, index: int) -> TrialState:
        """One member's state, detached from the pack's tensors."""
        return self.members[index].state.copy()

    def _train(self) -> tuple[Tensor, Tensor]:
        """One pass over the training images: each member's mean objective per image and mean gradient norm."""
        images = self.data.train
        orders = torch.stack([torch.randperm(len(images), generator=g) for g in self._generators(Purpose.DATA_ORDER)])
        noise = self._generators(Purpose.TRAINING_NOISE, self.device)
        pixels = self._generators(Purpose.TRAINING_PIXELS, self.device)
        totals = torch.zeros(len(self.members), dtype=torch.float64)
        norms = torch.zeros(len(self.members), dtype=torch.float64)
        batches = orders.to(self.device).split(self.config.batch_size, dim=1)
        objective = self.config.objective
        for index in self._unless_stopped(batches):
            x = binarized(batch(images, index), self.config.binarize, pixels)
            bound = self._bounds(x, self.config.K, noise, (objective,), self.config.gradient)[objective]
            gradients = gradient_rows(-bound.sum(), self.parameters)
            total = bound.detach().double().sum(-1)
            totals += total.cpu()
            norms += self._step(gradients, total.isfinite())
            if all(member.diverged for member in self.members):
                break
        return totals / len(images), norms / len(batches)

    def _step(self, gradients: Tensor, finite_objectives: Tensor) -> Tensor:
        """Each member's Adam step, unless it has diverged; the norms of the members' gradients."""
        steps = zip(self.members, gradients, finite_objectives, strict=True)
        return torch.stack([member.step(gradient, finite) for member, gradient, finite in steps])

    @torch.no_grad()
    def _evaluate(self, images: Tensor, of_noise: Purpose, of_pixels: Purpose) -> dict[str, Tensor]:
        """Mean of every bound over the images, in order, all on the same samples; empty if there are no images."""
        if not len(images):
            return {}
        noise, pixels = (self._generators(purpose, self.device) for purpose in (of_noise, of_pixels))
        order = torch.arange(len(images), device=self.device).expand(len(self.members), -1)
        names = tuple(dict.fromkeys((*BOUNDS, self.config.objective)))
        totals = {name: torch.zeros(len(self.members), dtype=torch.float64) for name in names}
        for index in self._unless_stopped(order.split(self.config.batch_size, dim=1)):
            x = binarized(batch(images, index), self.config.binarize, pixels)
            for name, bound in self._bounds(x, self.config.eval_k, noise, names).items():
                totals[name] += bound.double().sum(-1).cpu()
        return {name: total / len(images) for name, total in totals.items()}

    def _bounds(
        self,
        x: Tensor,
        k: int,
        generators: Sequence[Generator],
        names: Sequence[str],
        gradient: Gradient = "std",
    ) -> dict[str, Tensor]:
        """The named bounds per image, [member, batch], on one set of samples."""
        noise = sample_noise(x.shape[1], k, self.model.latents, generators)
        return self._score(self.parameters, x, noise, names, gradient)

    def _unless_stopped(self, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        for index in batches:
            if self._should_stop():
                raise _DroppedError
            yield index

    def _generators(self, purpose: Purpose, device: str = "cpu") -> list[Generator]:
        return [generator(state.config.seed, purpose, state.epoch + 1, device) for state in self.states]


class _DroppedError(Exception):
    """The epoch in progress is to be dropped."""


def _compiled(model: Model, device: str) -> Callable[..., dict[str, Tensor]]:
    """The model's `score` through torch.compile, on a GPU replayed as CUDA graphs: one launch, not hundreds."""
    torch.compiler.reset()  # graphs of a larger pack would keep their memory
    torch._dynamo.config.recompile_limit = 64  # beyond it torch goes on eagerly; each shape of a batch needs a graph
    compiled = torch.compile(model.score, dynamic=False, mode="reduce-overhead" if device.startswith("cuda") else None)

    def score(*arguments: Any) -> dict[str, Tensor]:
        torch.compiler.cudagraph_mark_step_begin()  # the graphs may take back the last step's memory
        return compiled(*arguments)

    return score


def _trained(objective: Tensor, grad_norm: Tensor, diverged: bool) -> dict[str, float | None]:
    return {
        "train_objective": _NAN if diverged else objective.item(),
        "grad_norm": _NAN if diverged else grad_norm.item(),
    }


def _scores(split: str, means: dict[str, Tensor], index: int, member: Member) -> dict[str, float | None]:
    """One member's columns of one split; NaN where it diverged before, None where the split has no images."""
    values = {name: _NAN if member.diverged else _finite(mean[index].item()) for name, mean in means.items()}
    columns = {**{name: name for name in BOUNDS}, "objective": member.state.config.objective}
    return {f"{split}_{column}": values.get(name) for column, name in columns.items()}


def _finite(value: float) -> float:
    """Infinities as NaN: a table says in one way only that something was not finite."""
    return value if math.isfinite(value) else _NAN


def _peak_memory_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
