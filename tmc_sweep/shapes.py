"""Shapes of a trial's parameters, and what follows from them: how many values are trained, and who can train together.

Those of a built-in family are known without torch; a model of one's own is made, and asked or tried out.
"""

import math
from collections.abc import Iterable, Mapping

from tmc_sweep.config import TrialConfig, fields_of
from tmc_sweep.registry import MODELS, is_own, loaded

Shapes = Mapping[str, tuple[int, ...]]  # of one member's parameters, by name


def shapes(config: TrialConfig) -> Shapes:
    """The shapes of a trial's parameters, in the order of its module.

    InputError if its family of models is one's own and cannot be imported or made.
    """
    if known := MODELS.find(config.model).shapes:
        found: Shapes = loaded(known)(config)
        return found
    from tmc_sweep.models import outline

    return {name: tuple(shape) for name, shape in outline(config).shapes.items()}


def count_parameters(config: TrialConfig) -> int:
    """How many values are trained in one trial: the numbers in its parameters. Errors as `shapes`."""
    return sum(map(math.prod, shapes(config).values()))


def try_out_own(configs: Iterable[TrialConfig]) -> None:
    """Let models and bounds of one's own, where these trials have any, score two random images.

    InputError, before anything is trained, if they cannot, or do not go together; as `models.try_out`.
    """
    if own := [config for config in configs if is_own(config.model) or is_own(config.objective)]:
        from tmc_sweep.models import try_out

        try_out(own)


def pack_key(config: TrialConfig) -> str:
    """A text that is equal for trials that can train in one pack: all fields but those that members may differ in.

    It is the trial's own name, and so equal for no others, if its model is written for one member, or has a width that
    is not a multiple of 4: its last bits would depend on who else is in the pack.
    """
    packed = MODELS.find(config.model).packed
    alone = not packed or any(shape[-1] % 4 for shape in shapes(config).values())
    return config.trial_id if alone else config.model_dump_json(exclude={*fields_of("run", "member")})


def of_vae(config: TrialConfig) -> Shapes:
    """The shapes of a `models.vae.HierarchicalVAE` of this configuration."""
    architecture, latents = config.architecture, config.architecture.latents
    below = (config.n_features, *latents[:-1])
    found: dict[str, tuple[int, ...]] = {}
    if config.prior == "learned":
        found |= dict.fromkeys(("prior_mean", "prior_raw_std"), (1, 1, latents[-1]))
    for level, (n_in, hidden, width) in enumerate(zip(below, architecture.q_hidden, latents, strict=True)):
        feeds = config.proposal == "factorised" and level < len(latents) - 1  # the next level, by a head of its own
        found |= _conditional(f"q.{level}", n_in, hidden, (width,) * (3 if feeds else 2), config.weight_norm)
    for level, (n_in, hidden, width) in enumerate(zip(latents, architecture.p_hidden, below, strict=True)):
        found |= _conditional(f"p.{level}", n_in, hidden, (width,) * (2 if level else 1), config.weight_norm)
    return found


def _conditional(name: str, n_in: int, hidden: int, heads: tuple[int, ...], weight_norm: bool) -> Shapes:
    """The shapes of a conditional: two hidden layers, and a linear layer for each head."""
    layers = [("first", n_in, hidden), ("second", hidden, hidden)]
    layers += [(f"heads.{number}", hidden, width) for number, width in enumerate(heads)]
    of_outputs = ("bias", "scale") if weight_norm else ("bias",)
    found: dict[str, tuple[int, ...]] = {}
    for layer, width_in, width_out in layers:
        found[f"{name}.{layer}.weight"] = (width_in, width_out)
        found |= {f"{name}.{layer}.{each}": (1, width_out) for each in of_outputs}
    return found
