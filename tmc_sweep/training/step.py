"""A minibatch's work on buffers that never move: no step returns anything, or asks the device for anything.

So a step may be called, or captured once and replayed. All images once in such steps is a pass: the host begins it,
by writing seeds and orders, and reads its sums at the end, which alone waits for the device.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from tmc_sweep.config import Gradient
from tmc_sweep.data import batch
from tmc_sweep.training.member import Members
from tmc_sweep.training.randomness import Purpose, binarized, generator, sample_noise, seed_of
from tmc_sweep.training.state import TrialState

Score = Callable[..., dict[str, Tensor]]  # as models.Model.score


@dataclass(frozen=True)
class Draws:
    """What is drawn for each image: k samples of latents of these widths, its pixels where they are drawn anew."""

    k: int
    widths: Sequence[int]
    binarize: str
    noise: Purpose
    pixels: Purpose


class Batches:
    """Images in minibatches, [member, batch], each member in an order of its own and with numbers of its own."""

    def __init__(self, images: Tensor, size: int, members: int, draws: Draws) -> None:
        device = images.device
        self.images = images
        self._draws = draws
        self.order = torch.arange(len(images), device=device).repeat(members, 1)
        self._cursor = torch.zeros((), dtype=torch.int64, device=device)
        self._places = torch.arange(size, device=device)
        self._noise = [Generator(device) for _ in range(members)]
        self._pixels = [Generator(device) for _ in range(members)]
        self.sizes = [min(size, len(images) - first) for first in range(0, len(images), size)]

    @property
    def buffers(self) -> list[Tensor]:
        """All that a minibatch changes, but for the generators."""
        return [self._cursor]

    @property
    def generators(self) -> list[Generator]:
        """All that a step draws from."""
        return [*self._noise, *self._pixels]

    def rewind(self) -> None:
        """Go back to the first images."""
        self._cursor.zero_()

    def begin(self, states: Sequence[TrialState]) -> None:
        """Go back to the first images, with the numbers of the members' next epochs."""
        self.rewind()
        for generators, purpose in ((self._noise, self._draws.noise), (self._pixels, self._draws.pixels)):
            for state, each in zip(states, generators, strict=True):
                each.manual_seed(seed_of(state.config.seed, purpose, state.epoch + 1))

    def next(self, size: int) -> tuple[Tensor, list[Tensor]]:
        """The next images [member, batch, feature], and noise [member, batch, k, width] by latent."""
        index = self.order.index_select(1, self._cursor + self._places[:size])
        self._cursor.add_(size)
        x = binarized(batch(self.images, index), self._draws.binarize, self._pixels)
        return x, sample_noise(size, self._draws.k, self._draws.widths, self._noise)


class Pass(ABC):
    """All images of a part of the data once, in minibatches: begun by the host, then one step for each of the sizes."""

    def __init__(self, batches: Batches, members: Members, score: Score) -> None:
        self.batches = batches
        self._members = members
        self._score = score

    @property
    @abstractmethod
    def buffers(self) -> list[Tensor]:
        """All that a step changes, but for the generators."""

    @abstractmethod
    def begin(self) -> None:
        """Write what the members' next epochs begin with."""

    @abstractmethod
    def step(self, size: int) -> None:
        """The next minibatch's work."""

    @property
    def idle(self) -> bool:
        """Whether no member trains any more; waits for the device."""
        return bool(self._members.frozen.all())


class Training(Pass):
    """A pass that trains, each member on its own order of the images."""

    def __init__(self, batches: Batches, members: Members, score: Score, objective: str, gradient: Gradient) -> None:
        super().__init__(batches, members, score)
        self._objective = objective
        self._gradient: Gradient = gradient
        self._sums = torch.zeros(2, len(members.states), dtype=torch.float64, device=batches.images.device)

    @property
    def buffers(self) -> list[Tensor]:
        """The members' values and moments too."""
        return [*self.batches.buffers, *self._members.buffers, self._sums]

    def begin(self) -> None:
        """Write orders and seeds; the sums are 0."""
        states = self._members.states
        self.batches.begin(states)
        numbers = [generator(state.config.seed, Purpose.DATA_ORDER, state.epoch + 1) for state in states]
        orders = [torch.randperm(len(self.batches.images), generator=each) for each in numbers]
        self.batches.order.copy_(torch.stack(orders))
        self._sums.zero_()

    def step(self, size: int) -> None:
        """Train on the next minibatch."""
        self.learn(*self.batches.next(size))

    def learn(self, x: Tensor, noise: Sequence[Tensor]) -> None:
        """Train on these images [member, batch, feature] and noise [member, batch, k, width] by latent."""
        scored = self._score(self._members.parameters, x, noise, (self._objective,), self._gradient)
        bound = scored[self._objective]
        gradients = self._members.gradients(-bound.sum())
        totals = bound.detach().double().sum(-1)
        norms = torch.stack([gradient.norm() for gradient in gradients])
        self._sums.add_(torch.stack([totals, norms.double()]))
        self._members.step(gradients, totals.isfinite() & norms.isfinite())

    def read(self) -> tuple[Tensor, Tensor, Tensor]:
        """Each member's mean objective per image in nats, mean gradient norm, and whether it is frozen, once done."""
        objective, norm, frozen = torch.cat([self._sums, self._members.frozen.double().unsqueeze(0)]).cpu()
        return objective / len(self.batches.images), norm / len(self.batches.sizes), frozen.bool()


class Evaluation(Pass):
    """A pass that evaluates some bounds on the same samples, the images in order."""

    def __init__(self, batches: Batches, members: Members, score: Score, names: Sequence[str]) -> None:
        super().__init__(batches, members, score)
        self._names = tuple(names)
        self._totals = torch.zeros(len(names), len(members.states), dtype=torch.float64, device=batches.images.device)

    @property
    def buffers(self) -> list[Tensor]:
        """The sums; nothing of the members."""
        return [*self.batches.buffers, self._totals]

    def begin(self) -> None:
        """Write seeds; the sums are 0."""
        self.batches.begin(self._members.states)
        self._totals.zero_()

    @torch.no_grad()
    def step(self, size: int) -> None:
        """Evaluate the next minibatch."""
        x, noise = self.batches.next(size)
        scored = self._score(self._members.parameters, x, noise, self._names, "std")
        self._totals.add_(torch.stack([scored[name].double().sum(-1) for name in self._names]))

    def read(self) -> dict[str, Tensor]:
        """The members' mean bounds per image in nats, by name, once done; none if there are no images."""
        if not len(self.batches.images):
            return {}
        return dict(zip(self._names, self._totals.cpu() / len(self.batches.images), strict=True))
