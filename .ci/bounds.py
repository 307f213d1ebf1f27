"""Runs the tests that depend most on Ray, with the oldest or the newest releases that pyproject.toml allows.

    python .ci/bounds.py oldest            # in a new environment, which is deleted at the end
    python .ci/bounds.py newest            # what pip gives today
    python .ci/bounds.py oldest --keep DIR # in DIR, made if it is missing: the second run is a short one
    python .ci/bounds.py newest tests/sweep/test_session.py    # other tests, or other options of pytest

The oldest are the lower bounds themselves. An environment has several gigabytes.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BOUNDED = ("optuna", "pandas", "pyarrow", "ray", "torch")
TESTS = (
    "tests/test_end_to_end.py",
    "tests/cluster/test_jobs.py",
    "tests/cluster/test_launcher.py",
    "tests/cluster/test_server.py",
    "tests/sweep/test_nodes.py",
    "tests/sweep/test_ray.py",
    "tests/sweep/test_ray_internals.py",
    "tests/sweep/test_raylet.py",
    "tests/sweep/test_tune.py",
    "tests/search/test_search.py",
    "tests/sweep/test_search_ray.py",
    "tests/sweep/test_session.py",
    "tests/sweep/test_shares.py",
    "tests/sweep/test_signals.py",
    "tests/store/test_epochs.py",
    "tests/statistics/test_export.py",
    "tests/store/test_values.py",
    "tests/training/test_engine.py",
)


def pins(end: str) -> list[str]:
    """What pip is asked for beside the package: the lower bounds themselves, or nothing more than it allows."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bounded = [needed for needed in map(Requirement, listed) if needed.name in BOUNDED]
    if end == "newest":
        return [str(needed) for needed in bounded]
    lower = {needed.name: bound.version for needed in bounded for bound in needed.specifier if bound.operator == ">="}
    return [f"{name}=={version}" for name, version in lower.items()]


def install(folder: Path, end: str) -> None:
    """An environment in the folder, with the package as it is here."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", "--editable", f"{ROOT}[test]", *pins(end)], check=True)


def main() -> int:
    """Makes the environment unless it is there, and says what is in it and how the tests went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("end", choices=("oldest", "newest"))
    parser.add_argument("--keep", type=Path, metavar="DIR")
    arguments, tests = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="tmc_sweep-bounds-") as folder:
        environment = arguments.keep or Path(folder)
        if not (environment / "bin/pytest").exists():
            install(environment, arguments.end)
        print(*pins(arguments.end), flush=True)
        subprocess.run([environment / "bin/pip", "freeze", "--exclude-editable"], check=True)
        began = time.monotonic()
        pytest = [environment / "bin/pytest", "-n", "2", "-m", "not long"]
        ended = subprocess.run([*pytest, *(tests or TESTS)], cwd=ROOT, check=False)
        print(f"{arguments.end}: exit code {ended.returncode} after {time.monotonic() - began:.0f} s")
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
