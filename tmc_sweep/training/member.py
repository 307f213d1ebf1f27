"""The members of a pack, stacked: all their parameters are one matrix, a row each, and so are their Adam's moments.

None of these tensors ever moves: a step writes into them, and asks the device for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from tmc_sweep.models import Parameters
from tmc_sweep.training.state import TrialState

ADAM_BETAS = (0.9, 0.999)


class Members:
    """Copies of several trials' states, each with an Adam of its own (β 0.9 and 0.999)."""

    def __init__(self, states: Sequence[TrialState], shapes: Mapping[str, torch.Size], device: str) -> None:
        """Stack them on a device."""

        def rows(of_member: Iterable[Mapping[str, Tensor]]) -> Tensor:
            stacked = torch.stack([torch.cat([each[name].detach().flatten() for name in shapes]) for each in of_member])
            return stacked.to(device)

        def moments(key: str) -> Tensor:
            return rows({name: state.adam[name][key] for name in shapes} for state in states)

        self._values = rows(state.parameters for state in states)
        self._exp_avg, self._exp_avg_sq = moments("exp_avg"), moments("exp_avg_sq")
        self._steps = torch.stack([next(iter(state.adam.values()))["step"] for state in states]).to(device)
        self.frozen = torch.zeros(len(states), device=device)  # 1: is stepped no more, as Adam's found_inf has it
        self.parameters: Parameters = {
            name: value.detach().requires_grad_() for name, value in _views(self._values, shapes).items()
        }
        self.states = [self._state(index, state, shapes) for index, state in enumerate(states)]  # sharing all this

    def _state(self, index: int, of: TrialState, shapes: Mapping[str, torch.Size]) -> TrialState:
        values, first, second = (
            _views(rows[index], shapes) for rows in (self._values, self._exp_avg, self._exp_avg_sq)
        )
        step = self._steps[index]
        adam = {name: {"step": step, "exp_avg": first[name], "exp_avg_sq": second[name]} for name in shapes}
        return TrialState(of.config, values, adam, list(of.history))

    @property
    def buffers(self) -> list[Tensor]:
        """All that an epoch changes."""
        return [self._values, self._exp_avg, self._exp_avg_sq, self._steps, self.frozen]

    def gradients(self, loss: Tensor) -> Tensor:
        """The loss's gradients by all parameters, [member, value]."""
        gradients = torch.autograd.grad(loss, list(self.parameters.values()), materialize_grads=True)
        return torch.cat([gradient.flatten(1) for gradient in gradients], 1)

    def step(self, gradients: Tensor, finite: Tensor) -> None:
        """An Adam step by these gradients [member, value]; no step ever again of a member that is not `finite`.

        Of torch's Adam as a kernel: its class would import torch's compiler, two seconds in each process that trains.
        """
        torch.maximum(self.frozen, (~finite).float(), out=self.frozen)
        self._steps.add_(1 - self.frozen)
        rows = (self._values, gradients, self._exp_avg, self._exp_avg_sq, self._steps, self.frozen)
        for state, value, gradient, exp_avg, exp_avg_sq, step, frozen in zip(self.states, *rows, strict=True):
            torch._fused_adam_(
                [value],
                [gradient],
                [exp_avg],
                [exp_avg_sq],
                [],
                [step],
                lr=state.config.lr,
                beta1=ADAM_BETAS[0],
                beta2=ADAM_BETAS[1],
                weight_decay=0.0,
                eps=state.config.adam_eps,
                amsgrad=False,
                maximize=False,
                found_inf=frozen,
            )


def _views(rows: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """A row's values by name, or those of all rows, [member, …]."""
    parts = rows.split([shape.numel() for shape in shapes.values()], -1)
    return {
        name: part.view(*rows.shape[:-1], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
