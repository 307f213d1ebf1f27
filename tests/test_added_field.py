"""A field of a trial is one line of `TrialConfig`: a package that has one line more knows all of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tmc_sweep

HERE = Path(__file__).parent
BEFORE = "    epochs: int = _field("


def known(line: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """What `added_field.py` says of a copy of the package with this line in TrialConfig."""
    shutil.copytree(Path(tmc_sweep.__file__).parent, folder / "tmc_sweep", ignore=shutil.ignore_patterns("__pycache__"))
    config = folder / "tmc_sweep" / "config.py"
    text = config.read_text()
    assert text.count(BEFORE) == 1
    config.write_text(text.replace(BEFORE, f"    {line}\n{BEFORE}"))
    script = [sys.executable, str(HERE / "added_field.py"), *arguments, str(HERE / "golden")]
    ran = subprocess.run(
        script, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("line", "name", "other", "wrong", "rule", "column", "usual"),
    [
        (
            'beta: float = _field("Adam\'s first decay rate", 0.9, role="member", identity=0.9, gt=0, lt=1)',
            "beta",
            "0.5",
            "1.5",
            "a positive number below 1, but got 1.5",
            ["float64", "", "Adam's first decay rate"],
            0.9,
        ),
        (
            'warm_up: int = _field("epochs of growing lr", 0, identity=0, unit="epochs", ge=0, le=100)',
            "warm_up",
            "10",
            "-3",
            "an integer from 0 to 100, but got -3",
            ["int64", "epochs", "epochs of growing lr"],
            0,
        ),
    ],
    ids=["member", "common"],
)
def test_one_line_is_all_that_a_field_needs(line, name, other, wrong, rule, column, usual, tmp_path: Path):
    found = known(line, tmp_path, name, other, wrong)
    value, member = type(usual)(other), 'role="member"' in line
    dtype, unit, meaning = column
    assert found.pop("refused").partition(": ")[2] == f"{name} must be {rule}"
    assert f"{name}s is not a known key: did you mean {name!r}?" in found.pop("misspelt")
    assert set(found.pop("page")) == {f"| `{name}` | {dtype} | {unit} | {meaning} |"}
    assert found == {
        "ids": True,
        "stored": [usual],
        "whole": True,
        "column": [column],
        "other_trial": True,
        "one_pack": member,
        "one_cost": member,
        "table": sorted([usual, value]),
        "summary": sorted([usual, value]),
        "pairs": [[usual, value]],
    }
