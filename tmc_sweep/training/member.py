"""The members of a pack: all their parameters are one matrix, a row each, so that an Adam step is one operation."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from tmc_sweep.models import Parameters
from tmc_sweep.training.state import TrialState

ADAM_BETAS = (0.9, 0.999)
Boundary = tuple[bool, list[Tensor]]


class Member:
    """One member's state, with an Adam of its own (β 0.9 and 0.999)."""

    def __init__(self, row: Tensor, shapes: Mapping[str, torch.Size], state: TrialState) -> None:
        """Train `row`, which holds the state's parameters, on its device."""
        config = state.config
        self._lr, self._eps = config.lr, config.adam_eps
        moments = {
            key: _row([state.adam[name][key] for name in shapes]).to(row.device) for key in ("exp_avg", "exp_avg_sq")
        }
        step = next(iter(state.adam.values()))["step"].to(row.device, copy=True)
        self._adam = [*moments.values(), step]
        by_name = {key: _views(values, shapes) for key, values in moments.items()}
        self.state = TrialState(
            config,
            _views(row, shapes),
            {name: {"step": step, **{key: by_name[key][name] for key in moments}} for name in shapes},
            list(state.history),
        )
        self._row = row
        self.diverged = False

    def boundary(self) -> Boundary:
        """What an epoch changes, in memory of its own."""
        return self.diverged, [tensor.clone() for tensor in self._tensors()]

    def back_to(self, boundary: Boundary) -> None:
        """Undo what has changed since."""
        self.diverged, tensors = boundary
        for tensor, value in zip(self._tensors(), tensors, strict=True):
            tensor.copy_(value)

    def _tensors(self) -> list[Tensor]:
        return [self._row, *self._adam]

    def step(self, gradient: Tensor, finite_objective: Tensor) -> Tensor:
        """One Adam step, and the gradient's norm; no step ever again once objective or gradient is not finite."""
        norm: Tensor = gradient.norm()
        self.diverged = self.diverged or not bool(finite_objective & norm.isfinite())
        if not self.diverged:
            self._adam_step(gradient)
        return norm.double().cpu()

    def _adam_step(self, gradient: Tensor) -> None:
        """As a function: torch's class would import its compiler first, two seconds in each process that trains."""
        exp_avg, exp_avg_sq, step = self._adam
        adam(
            [self._row],
            [gradient],
            [exp_avg],
            [exp_avg_sq],
            [],
            [step],
            fused=True,
            amsgrad=False,
            beta1=ADAM_BETAS[0],
            beta2=ADAM_BETAS[1],
            lr=self._lr,
            weight_decay=0.0,
            eps=self._eps,
            maximize=False,
        )


def stacked(
    states: Sequence[TrialState], shapes: Mapping[str, torch.Size], device: str
) -> tuple[Parameters, list[Member]]:
    """The states' parameters, [member, …] by name, and their members, sharing memory of their own."""
    rows = torch.stack([_row([state.parameters[name] for name in shapes]) for state in states]).to(device)
    parameters = {name: value.detach().requires_grad_() for name, value in _views(rows, shapes).items()}
    return parameters, [Member(row, shapes, state) for row, state in zip(rows, states, strict=True)]


def gradient_rows(loss: Tensor, parameters: Parameters) -> Tensor:
    """The loss's gradients by all parameters, [member, value]."""
    gradients = torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True)
    return torch.cat([gradient.flatten(1) for gradient in gradients], 1)


def _row(values: Sequence[Tensor]) -> Tensor:
    return torch.cat([value.detach().flatten() for value in values])


def _views(rows: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """A row's values by name, or those of all rows, [member, …]."""
    parts = rows.split([shape.numel() for shape in shapes.values()], -1)
    return {
        name: part.view(*rows.shape[:-1], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
