"""A search space's text for one cell: the same trials under a name of their own, for a file that can be run."""

from collections.abc import Sequence

from tmc_sweep.config import NAMING, PRESETS, Architecture, TrialConfig
from tmc_sweep.space.schema import Resources, Statistic
from tmc_sweep.space.source import document, unplaced

_ALWAYS = (*NAMING, "epochs")


def one_cell(
    name: str, cell: TrialConfig, seeds: Sequence[int], statistic: Statistic, resources: Resources, head: str
) -> str:
    """YAML whose trials are this cell's with these seeds; `head` is its comment.

    Fields at their default are left out, less those that a reader looks for first.
    """
    counted = list(seeds) == list(range(len(seeds)))
    sections = {
        "version": 1,
        "name": name,
        "base": _fields(cell),
        "seeds": len(seeds) if counted else list(seeds),
        "statistic": statistic.model_dump(),
        "resources": resources.model_dump(exclude_defaults=True),
    }
    return f"# {head}\n{document(unplaced({key: value for key, value in sections.items() if value != {}}))}"


def _fields(cell: TrialConfig) -> dict[str, object]:
    """What a file must say of the cell: the rest follows as it does from a file that leaves it out."""
    usual = TrialConfig.parse({name: getattr(cell, name) for name in _ALWAYS})
    said = [name for name in TrialConfig.model_fields if name in _ALWAYS or getattr(cell, name) != getattr(usual, name)]
    return {name: getattr(cell, name) for name in said if name != "seed"} | {"architecture": _widths(cell.architecture)}


def _widths(architecture: Architecture) -> object:
    """The preset's name, or the widths that do not follow from the latents'."""
    if architecture.name in PRESETS:
        return architecture.name
    small = Architecture(latents=architecture.latents)
    return {name: list(value) for name, value in architecture if name == "latents" or value != getattr(small, name)}
