"""Prints the newest Python of this machine that pyproject.toml allows, if it is newer than the one that runs this.

python .ci/newest.py           # its path
python .ci/newest.py --needs   # what the package and its tests need there, less torch and what brings it: gigabytes
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

TORCHES = {"pyro-ppl", "torch", "torchvision"}
project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]


def needs() -> list[str]:
    """Requirements of the package and its tests without torch, as pip reads them."""
    listed = (*project["dependencies"], *project["optional-dependencies"]["test"])
    return [each for each in listed if Requirement(each).name not in TORCHES]


def newest() -> str:
    """The path of the newest Python that is allowed, among those on PATH and pyenv's."""
    allowed = SpecifierSet(project["requires-python"])
    folders = [*map(Path, os.get_exec_path()), *Path.home().glob(".pyenv/versions/*/bin")]
    found = {Version(sys.version.split()[0]): sys.executable}
    for path in sorted({path for folder in folders for path in folder.glob("python3.*")}):
        if re.fullmatch(r"python3\.\d+", path.name):
            asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            if asked.returncode == 0 and (version := Version(asked.stdout.split()[1].rstrip("+"))) in allowed:
                found.setdefault(version, str(path))
    return found[max(found)]


if sys.argv[1:] == ["--needs"]:
    print(*needs(), sep="\n")
elif (path := newest()) != sys.executable:
    print(path)
