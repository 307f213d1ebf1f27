"""What the pages say is so: links lead somewhere, commands exist, tables equal the code."""

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from tmc_sweep.cli.app import app
from tmc_sweep.config import PRESETS, TrialConfig
from tmc_sweep.explain import rule_of
from tmc_sweep.shapes import count_parameters
from tmc_sweep.space import load, parse

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / part / "README.md" for part in ("cluster", "results"))]
README = (ROOT / "README.md").read_text()
SPACE_PAGE = (ROOT / "docs" / "search-space.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_first_two_shell_blocks_hold_one_command_each_and_ci_runs_the_second() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.S | re.M)[:2]
    assert [len(block.splitlines()) for block in blocks] == [1, 1]
    assert blocks[1].strip() in (ROOT / ".ci" / "run").read_text()


def test_the_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"tmc-sweep ([a-z]+)", README))
    assert named <= set(get_command(app).commands)  # type: ignore[attr-defined]
    assert {"run", "plan", "validate", "status", "summary", "verify", "repair", "prune"} <= named


@pytest.mark.parametrize("text", [README, SPACE_PAGE], ids=["README", "docs/search-space"])
def test_the_search_spaces_on_the_pages_are_valid(text: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.S | re.M)
    assert [parse(block, "page").name for block in blocks]


def test_the_table_of_fields_names_each_field_and_its_rule() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", SPACE_PAGE, re.M))
    for name, field in TrialConfig.model_fields.items():
        if name != "seed":
            assert rows[name] == rule_of(field)


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_of_presets_has_their_parameters(name: str) -> None:
    count = count_parameters(TrialConfig.parse({"data": "mnist", "architecture": name}))
    assert re.search(rf"^\| `{name}` .* {count:,} \|$", SPACE_PAGE, re.M)


@pytest.mark.parametrize("file", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda file: file.name)
def test_the_shipped_search_spaces_are_valid_and_named_after_their_file(file: Path) -> None:
    assert load(file).name == file.stem


def test_quickstart_is_what_the_readme_says() -> None:
    trials = load(ROOT / "search_spaces" / "quickstart.yaml").trials()
    assert {trial.objective for trial in trials} == {"iwae", "tmc"}
    assert [len({getattr(trial, name) for trial in trials}) for name in ("K", "architecture", "seed")] == [2, 2, 3]
    assert all(re.search(rf"^{t.objective} +{t.architecture.name} +{t.K} ", README, re.M) for t in trials)


def test_an_installed_package_has_every_file_that_is_not_python() -> None:
    package = ROOT / "tmc_sweep"
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["tmc_sweep"]
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert there == {path for pattern in declared for path in package.glob(pattern)}


def test_no_page_or_file_names_a_package_registry_or_a_lock() -> None:
    ours = [path for path in ROOT.iterdir() if path.name not in {".venv", ".git"}]
    files = [file for path in ours for file in (path, *path.rglob("*"))]
    kept = [file for file in files if file.suffix in {".md", ".toml", ".yaml", ".yml"}]
    hosts = ["py" + "pi.org", "python" + "hosted", "index" + "-url", "find" + "-links"]
    assert not [path for path in kept for host in hosts if host in path.read_text()]


def test_the_grid_is_figure_2_with_another_learning_rate() -> None:
    grid = YAML(typ="safe").load(ROOT / "search_spaces" / "grid.yaml")
    assert grid["space"]["K"]["grid_search"] == [1, 5, 20, 50]
    assert grid["space"]["lr"]["grid_search"] == [1e-5, 1e-4, 1e-3, 1e-2]
    assert (grid["base"]["epochs"], grid["base"]["data"]) == (500, "mnist")
