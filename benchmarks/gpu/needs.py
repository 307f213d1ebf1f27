"""The distributions that our modules import on this way, and those that these need; torch and numpy are there."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

from benchmarks.gpu.parts import PARTS

_THERE = {"torch", "numpy", "tmc-sweep"}


def needs() -> list[str]:
    """One a line, with the versions that are here."""
    for part in PARTS:
        import_module(f"benchmarks.gpu.{part.name}")
    distributions = packages_distributions()
    direct = {_named(of) for module in set(_imported()) for of in distributions.get(module, ())}
    return [f"{name}=={version(name)}" for name in sorted(closure(direct - _THERE))]


def _imported() -> Iterator[str]:
    """Packages of others that our loaded modules name in imports, and that are loaded too."""
    ours = [module for name, module in sys.modules.items() if re.match(r"(benchmarks|tmc_sweep)(\.|$)", name)]
    for module in ours:
        for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name.partition(".")[0] for name in names if name in sys.modules)


def closure(names: Iterable[str]) -> set[str]:
    """These distributions and all that they need, as far as they are here."""
    found: set[str] = set()
    left = [*names]
    while left:
        name = _named(left.pop())
        if name not in found:
            with_needs = _requires(name)
            found |= {name} if with_needs is not None else set()
            left += with_needs or []
    return found


def _requires(name: str) -> list[str] | None:
    try:
        return [each for each in requires(name) or () if "extra ==" not in each]
    except PackageNotFoundError:  # of another system
        return None


def _named(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", match.group() if match else requirement).lower()
