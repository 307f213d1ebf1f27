"""A search space for one cell, written as YAML: `tmc-sweep best -o FILE` makes a file to run of a sweep's best cell."""

from collections.abc import Sequence

from tmc_sweep.config import NAMING, PRESETS, Architecture, TrialConfig
from tmc_sweep.space.schema import Resources, Statistic
from tmc_sweep.space.source import document, unplaced

_ALWAYS = (*NAMING, "epochs")


def one_cell(
    name: str, cell: TrialConfig, seeds: Sequence[int], statistic: Statistic, resources: Resources, head: str
) -> str:
    """YAML whose trials are this cell with these seeds, under the name `name`; `head` is the comment at its top.

    Fields at their default are left out, except those that a reader looks for first: data, objective, architecture, …
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
    """The fields that a file must set to give this cell; those at a default or following from another are left out."""
    usual = TrialConfig.parse({name: getattr(cell, name) for name in _ALWAYS})
    said = [name for name in TrialConfig.model_fields if name in _ALWAYS or getattr(cell, name) != getattr(usual, name)]
    return {name: getattr(cell, name) for name in said if name != "seed"} | {"architecture": _widths(cell.architecture)}


def _widths(architecture: Architecture) -> object:
    """The architecture as a file would say it: a preset's name, or the widths that do not follow from the latents."""
    if architecture.name in PRESETS:
        return architecture.name
    small = Architecture(latents=architecture.latents)
    return {name: list(value) for name, value in architecture if name == "latents" or value != getattr(small, name)}
