"""Prints the newest Python of this machine that pyproject.toml allows, if it is newer than the one that runs this."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
allowed = SpecifierSet(project["requires-python"])
folders = [*map(Path, os.get_exec_path()), *Path.home().glob(".pyenv/versions/*/bin")]
found = {Version(sys.version.split()[0]): sys.executable}
for path in sorted({path for folder in folders for path in folder.glob("python3.*")}):
    if re.fullmatch(r"python3\.\d+", path.name):
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and (version := Version(asked.stdout.split()[1].rstrip("+"))) in allowed:
            found.setdefault(version, str(path))
newest = found[max(found)]
if newest != sys.executable:
    print(newest)
