"""The package as pip and Python know it."""

import runpy
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["status", "../x"], 2), (["nonsense"], 2)])
def test_it_runs_as_a_module_like_the_command(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["tmc_sweep", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tmc_sweep", run_name="__main__")
    out, err = capsys.readouterr()
    assert (end.value.code or 0) == code, err
    assert out.startswith("tmc-sweep ") if code == 0 else not out


@pytest.mark.parametrize("name", ["optuna", "ray"])
def test_packages_whose_next_version_may_change_what_is_relied_on_are_bounded_and_the_one_here_is_allowed(name: str):
    (found,) = [wanted for wanted in map(Requirement, PROJECT["dependencies"]) if wanted.name == name]
    assert "<" in {specifier.operator for specifier in found.specifier}
    assert found.specifier.contains(version(name))


def test_the_changelog_begins_with_this_version():
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
    assert next(line for line in changelog.splitlines() if line.startswith("## ")).split()[1] == (
        Version(PROJECT["version"]).base_version
    )
