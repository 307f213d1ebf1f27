"""What training and analysis ask of a model, whichever family it is of: pure functions of all its parameters.

A family is a class of torch's modules, named by `model` in a search space and constructed here and nowhere else. The
simplest is written for one model, with no dimension of members anywhere:

    class Plain(nn.Module):                              # mine.py; `model: mine:Plain` in a search space
        def __init__(self, config: TrialConfig) -> None:
            super().__init__()
            (width,) = self.latents = config.architecture.latents          # of the noise that forward is handed
            self.encoder, self.decoder = nn.Linear(config.n_features, 2 * width), nn.Linear(width, config.n_features)

        def forward(self, x: Tensor, noise: Sequence[Tensor]) -> Factors:  # [batch, features], [batch, K, width] each
            ...
            return log_p, log_q                          # as objectives/bounds.py lays them out

`forward` may take `pairs` (without them diagonals will do) and `gradient` as keywords. Only `analyse` needs
`sample(x, noise)`, the samples of each latent, and `decode(z_1)`, the mean of p(x | z_1). A module keeps parameters and
nothing else: no buffers, and no random numbers of its own. It begins with what its constructor draws, torch, NumPy and
Python's generator seeded by the trial's seed. Members of a pack are gone through one after another.

A family that is `packed` (registry.py) is also handed the number of members, has parameters that lead with [member], as
all else that it is handed, takes both keywords, and draws a member's values in `initialise(member, config, generator)`.

A family of one's own may read any field of a trial. Of the fields that only some families know (`config.OF_MODELS`) a
search space may set those that its entry names, which is `architecture` unless told otherwise; others are refused.
"""

import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.func import functional_call

from tmc_sweep.config import Gradient, TrialConfig, fields_of
from tmc_sweep.errors import InputError
from tmc_sweep.registry import BOUNDS, MODELS, loaded

Parameters = Mapping[str, Tensor]  # by name, [member, ...]
Noise = Sequence[Float[Tensor, "member batch k _"]]  # by latent
Factors = tuple[Sequence[Tensor], Sequence[Tensor]]  # log_p and log_q
_OPTIONAL = ("sample", "decode")
_NO_SHAPE = {name: TrialConfig.model_fields[name].default for name in (*fields_of("run", "member"), "objective")}


class _Bound(NamedTuple):
    function: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
    needs_pairs: bool


class Model:
    """A configuration's model. It holds no values: each call is handed all parameters, and changes nothing."""

    def __init__(self, module: nn.Module, bounds: Mapping[str, _Bound], packed: bool) -> None:
        """`module` is called with other values in its parameters' place; its own are never used."""
        self._module = module
        self._bounds = bounds
        self.packed = packed
        self._keywords = {"pairs", "gradient"} & inspect.signature(module.forward).parameters.keys()
        self.latents: tuple[int, ...] = tuple(module.latents)  # type: ignore[arg-type]

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """Name and shape of one member's parameters."""
        return {name: value.shape[self.packed :] for name, value in self._module.named_parameters()}

    @property
    def lacking(self) -> tuple[str, ...]:
        """What only `analyse` needs and this family does not have, by name."""
        return tuple(name for name in _OPTIONAL if not hasattr(self._module, name))

    @property
    def gives_diagonals(self) -> bool:
        """Whether its factors are diagonals where no pairs are asked for."""
        return "pairs" in self._keywords

    def score(
        self,
        parameters: Parameters,
        x: Float[Tensor, "member batch features"],
        noise: Noise,
        names: Sequence[str],
        gradient: Gradient = "std",
    ) -> dict[str, Float[Tensor, "member batch"]]:
        """The named bounds of each image, all on the same samples, in nats: what a step of training asks for."""
        pairs = any(self._bounds[name].needs_pairs for name in names)
        log_p, log_q = self.factors(parameters, x, noise, pairs=pairs, gradient=gradient)
        return {name: self._bounds[name].function(log_p, log_q) for name in names}

    def factors(
        self,
        parameters: Parameters,
        x: Float[Tensor, "member batch features"],
        noise: Noise,
        *,
        pairs: bool = True,
        gradient: Gradient = "std",
    ) -> Factors:
        """(log_p, log_q) as `tmc_sweep.objectives.bounds` lays them out, in nats."""
        given = {"pairs": pairs, "gradient": gradient}
        keywords = {name: given[name] for name in self._keywords}
        log_p, log_q = self._call("forward", parameters, x, noise, **keywords)
        return log_p, log_q

    def sample(
        self, parameters: Parameters, x: Float[Tensor, "member batch features"], noise: Noise
    ) -> list[Float[Tensor, "member batch k _"]]:
        """Samples of each latent, from the data up."""
        return list(self._call("sample", parameters, x, noise))

    def decode(
        self, parameters: Parameters, z: Float[Tensor, "member batch k width"]
    ) -> Float[Tensor, "member batch k features"]:
        """The mean of p(x | z_1)."""
        mean: Tensor = self._call("decode", parameters, z)
        return mean

    def _call(self, method: str, parameters: Parameters, *inputs: Any, **keywords: object) -> Any:
        """A method with these values in the parameters' place: of all members at once, or of one after another."""
        if self.packed:
            return _called(self._module, method, parameters, inputs, keywords)
        members = range(len(inputs[0]))
        return _stacked([_called(self._module, method, _of(i, parameters), _of(i, inputs), keywords) for i in members])


def _called(module: nn.Module, method: str, parameters: Parameters, inputs: Any, keywords: Any) -> Any:
    if method != "forward":  # which is all that torch calls so
        parameters = {f"module.{name}": value for name, value in parameters.items()}
        module = _Method(module, method)
    return functional_call(module, dict(parameters), tuple(inputs), keywords, tie_weights=False)


class _Method(nn.Module):
    """A module whose forward is another one's method."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module = module
        self.method = method

    def forward(self, *inputs: Any) -> Any:
        return getattr(self.module, self.method)(*inputs)


def _of(member: int, values: Any) -> Any:
    """One member's part of tensors, in whatever they lie."""
    if isinstance(values, Tensor):
        return values[member]
    if isinstance(values, Mapping):
        return {name: value[member] for name, value in values.items()}
    return [_of(member, value) for value in values]


def _stacked(parts: Sequence[Any]) -> Any:
    """The members' tensors, or lists of them, as one with a dimension of members."""
    if isinstance(parts[0], Tensor):
        return torch.stack(list(parts))
    return [_stacked(of_members) for of_members in zip(*parts, strict=True)]


def build(config: TrialConfig, members: int = 1) -> Model:
    """The model of as many members of one configuration's shapes.

    InputError if its family, or a bound, cannot be imported or is no such thing.
    """
    bounds = {name: BOUNDS.find(name) for name in (*BOUNDS, config.objective)}
    functions = {name: _Bound(loaded(bound.function), bound.needs_pairs) for name, bound in bounds.items()}
    return Model(_module(config, members, "meta"), functions, MODELS.find(config.model).packed)


def _module(config: TrialConfig, members: int, device: str) -> nn.Module:
    """A module of the family; one that is written for one makes what it likes, so always on a CPU."""
    entry = MODELS.find(config.model)
    family = loaded(entry.family)
    try:
        with torch.device(device if entry.packed else "cpu"):
            module: nn.Module = family(config, members) if entry.packed else family(config)
    except Exception as error:  # whatever a constructor of others does
        raise InputError(
            f"a model must be made of its configuration, but {config.model} is not ({type(error).__name__}: "
            f"{' '.join(str(error).split())}): correct it, or the fields that it reads"
        ) from error
    _check(config.model, module)
    return module


def _check(name: str, module: object) -> None:
    """InputError if this is no module that can be called so."""
    if not isinstance(module, nn.Module):
        raise InputError(
            f"a model must be one of torch's modules, but {name} makes {module!r:.80}: derive it from them"
        )
    if not hasattr(module, "latents"):
        raise InputError(f"a model must say how wide its noise is, but {name} does not: set self.latents = [8], say")
    if held := next((held for held, _ in module.named_buffers()), None):
        raise InputError(
            f"a model must keep nothing but parameters, but {name} has the buffer {held}: make it a parameter"
        )


def initial(config: TrialConfig, generator: Generator) -> dict[str, Tensor]:
    """One member's parameters before its first epoch, by name and without a dimension of members."""
    with _seeded(generator.initial_seed()):
        module: Any = _module(config, 1, "cpu")
    values = {name: value.detach() for name, value in module.named_parameters()}
    if not MODELS.find(config.model).packed:
        return values
    module.initialise(0, config, generator)
    return {name: value[0] for name, value in values.items()}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The numbers that a module draws by itself while inside; afterwards they go on as if nothing had been drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def outline(config: TrialConfig) -> Model:
    """The model of one member, to be asked what it is and not called: one for all trials that differ in no shape."""
    return _outline(config.model_copy(update=_NO_SHAPE))


@lru_cache
def _outline(config: TrialConfig) -> Model:
    return build(config)


def try_out(cells: Iterable[TrialConfig]) -> None:
    """Let the bounds of these cells score two random images, as training will: for models and bounds of one's own.

    InputError if a model cannot be made or called, its factors are not laid out as the bounds need them, or a bound
    does not give one value for each image. Cells that differ in no shape are tried once.
    """
    for config in dict.fromkeys(
        cell.model_copy(update={**_NO_SHAPE, "objective": cell.objective, "K": min(cell.K, 2)}) for cell in cells
    ):
        _try_out(config)


def _try_out(config: TrialConfig) -> None:
    model, generator = build(config), Generator().manual_seed(0)
    parameters = {name: value.unsqueeze(0) for name, value in initial(config, generator).items()}
    x = torch.rand(1, 2, config.n_features, generator=generator)
    noise = [torch.randn(1, 2, config.K, width, generator=generator) for width in model.latents]
    try:
        for name, value in model.score(parameters, x, noise, (*BOUNDS, config.objective)).items():
            if value.shape != x.shape[:2]:
                raise ValueError(f"{name} has shape {list(value.shape)} for [member, batch] of {list(x.shape[:2])}")
    except Exception as error:  # whatever a model or a bound of others does
        raise InputError(
            f"a model must give factors that bounds can take, but {config.model} with objective {config.objective} "
            f"does not ({' '.join(str(error).split()) or type(error).__name__}): correct the one of your own"
        ) from error
