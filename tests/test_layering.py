"""Which part of the package may import which, what must stay light, and what must never be called."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tmc_sweep
from tmc_sweep import costs
from tmc_sweep.config import TrialConfig

ROOT = Path(tmc_sweep.__file__).parent

# part: (parts of ours, packages of others) that it may import, functions' own imports included
BASE = {"config", "errors", "paths", "records"}  # what a trial is, what goes wrong, where files are, what they hold
MATHS = {"models", "objectives", "training", "data"}
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "commands": (set(), set()),
    "errors": (set(), set()),
    "explain": ({"text"}, {"pydantic", "pydantic_core"}),
    "registry": ({"errors", "explain"}, set()),
    "text": (set(), set()),
    "input_file": (set(), set()),
    "gpus": (set(), {"pynvml"}),
    "supervision": ({"errors", "text"}, set()),
    "exchange": (set(), {"aiohttp"}),
    "config": ({"errors", "explain", "registry"}, {"pydantic"}),
    "records": ({"config", "explain", "registry"}, set()),
    "paths": ({"errors"}, set()),
    "space": ({*BASE, "explain", "input_file", "registry", "text"}, {"pydantic", "pydantic_core", "ruamel"}),
    "products": (set(), {"jaxtyping", "torch"}),
    "objectives": ({"config", "errors", "products", "registry"}, {"jaxtyping", "torch"}),
    "models": ({"config", "errors", "objectives", "products", "registry"}, {"jaxtyping", "numpy", "torch"}),
    "shapes": ({"config", "models", "registry"}, set()),
    "costs": ({"config", "gpus", "input_file"}, {"pydantic", "torch"}),
    "testing": ({"config", "models", "objectives"}, {"torch"}),
    "images": ({"errors", "exchange", "input_file", "registry"}, {"numpy", "torchvision"}),
    "data": ({"config", "images"}, {"jaxtyping", "torch"}),
    "training": (
        {*(MATHS - {"objectives"}), "config", "costs", "errors", "gpus", "products", "records", "registry", "text"},
        {"pydantic", "pydantic_core", "safetensors", "torch"},
    ),
    "store": (
        {*BASE, "commands", "explain"},
        {"numpy", "pandas", "pyarrow", "pydantic", "pydantic_core"},
    ),
    "statistics": (
        {*BASE, "explain", "space", "store", "text"},
        {"mlflow", "numpy", "pandas", "pyarrow", "scipy", "tensorboardX"},
    ),
    "search": ({*BASE, "registry", "space", "store"}, {"optuna"}),
    "integrity": ({*BASE, "commands", "data", "shapes", "space", "store", "training"}, {"pyarrow", "torch"}),
    "analysis": (
        {*BASE, *MATHS, "commands", "explain", "registry", "store"},
        {"jaxtyping", "numpy", "pandas", "sklearn", "torch"},
    ),
    "report": (
        {*BASE, "registry", "space", "statistics", "store", "text"},
        {"jinja2", "matplotlib", "numpy", "pandas"},
    ),
    "article": (
        {*(BASE - {"paths"}), "registry", "report", "space", "statistics", "store", "text"},
        {"numpy", "pandas", "pydantic"},
    ),
    "sweep": (
        {
            *(*BASE, "costs", "data", "gpus", "images", "search", "shapes", "space", "statistics", "store"),
            *("commands", "explain", "input_file", "supervision", "text", "training"),
        },
        {"grpc", "joblib", "pandas", "ray", "ruamel", "torch"},
    ),
    "cluster": (
        {
            *("commands", "data", "errors", "exchange", "explain", "gpus", "input_file", "paths", "registry"),
            *("space", "store", "sweep", "text"),
        },
        {"aiohttp", "ray", "ruamel", "torch"},
    ),
    "cli": (
        {
            *BASE,
            *(
                "analysis",
                "article",
                "cluster",
                "images",
                "integrity",
                "objectives",
                "report",
                "search",
                "shapes",
                "space",
            ),
            *("commands", "input_file", "registry", "statistics", "store", "supervision", "sweep", "text"),
        },
        {"pandas", "rich", "typer"},
    ),
    "__init__": ({"statistics", "store", "sweep", "training"}, set()),
    "__main__": ({"cli"}, set()),
}

UNSAFE = {
    "builtins": {"eval", "exec", "compile", "__import__"},
    "cloudpickle": {"load", "loads"},
    "dill": {"load", "loads"},
    "joblib": {"load"},
    "marshal": {"load", "loads"},
    "numpy": {"load"},
    "pandas": {"read_pickle"},
    "pickle": {"load", "loads", "Unpickler"},
    "shelve": {"open"},
    "torch": {"load"},
    "yaml": {"load", "load_all", "full_load", "unsafe_load"},
}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    """Dotted names of everything a module of `package` imports, wherever it does; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) + "." if node.level else ""
            yield from (f"{base}{node.module or ''}.{alias.name}".replace("..", ".") for alias in node.names)


def needed(path: Path, source: str) -> Iterator[tuple[str, str, bool]]:
    """What a module imports: the dotted name, the part or package that it is of, and whether that is ours."""
    package = ("tmc_sweep", *path.relative_to(ROOT).parent.parts)
    for name in imported(ast.parse(source), package):
        first, second = [*name.split("."), "__init__"][:2]
        if first == "tmc_sweep":
            is_part = (ROOT / second).is_dir() or (ROOT / f"{second}.py").is_file()
            yield name, second if is_part else "__init__", True
        elif first not in sys.stdlib_module_names:
            yield name, first, False


def violations(path: Path, source: str) -> list[str]:
    part = part_of(path)
    ours, theirs = ALLOWED.get(part, (set(), set()))
    found = [] if part in ALLOWED else [f"{part} is not in the table"]
    for name, of, is_ours in needed(path, source):
        if of not in ({part, *ours} if is_ours else theirs):
            found.append(f"{part} imports {name}")
    return found


def test_a_module_imports_only_what_its_part_may():
    assert [found for path in sources() for found in violations(path, path.read_text())] == []


@pytest.mark.parametrize(
    ("file", "line", "violation"),
    [
        ("objectives/bounds.py", "from tmc_sweep.models import HierarchicalVAE", "tmc_sweep.models.HierarchicalVAE"),
        ("objectives/bounds.py", "from ..training import train", "tmc_sweep.training.train"),
        ("store/read.py", "def f():\n    import torch", "torch"),
        ("training/pack.py", "from ray import tune", "ray.tune"),
        ("sweep/runner.py", "import rich.console", "rich.console"),
        ("config.py", "from tmc_sweep import records", "tmc_sweep.records"),
        ("config.py", "from tmc_sweep import train", "tmc_sweep.train"),
        ("sweep/runner.py", "import tmc_sweep", "tmc_sweep"),
    ],
)
def test_a_planted_violation_is_found(file: str, line: str, violation: str):
    path = ROOT / file
    assert violations(path, line) == [f"{part_of(path)} imports {violation}"]


def test_a_part_that_the_table_lacks_is_found():
    assert violations(ROOT / "extra.py", "") == ["extra is not in the table"]


def test_the_table_allows_nothing_that_nobody_imports():
    uses = {(part_of(path), of) for path in sources() for _, of, _ in needed(path, path.read_text())}
    allowed = {(part, of) for part, (ours, theirs) in ALLOWED.items() for of in ours | theirs}
    assert allowed - uses == set()


def module_of(name: str) -> str:
    """The module of ours that a dotted name is, or is in."""
    while not (path := ROOT.parent / name.replace(".", "/")).is_dir() and not path.with_suffix(".py").is_file():
        name = name.rpartition(".")[0]
    return name


def graphs() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Which parts import which, and which modules, wherever they do."""
    parts: dict[str, set[str]] = {}
    modules: dict[str, set[str]] = {}
    for path in sources():
        module = module_of(".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"))
        for name, of, is_ours in needed(path, path.read_text()):
            if is_ours:
                parts.setdefault(part_of(path), set()).add(of)
                modules.setdefault(module, set()).add(module_of(name))
    return parts, modules


def in_order(graph: dict[str, set[str]]) -> None:
    """CycleError if what is imported imports, in the end, who imports it; itself aside."""
    TopologicalSorter({name: used - {name} for name, used in graph.items()}).prepare()


def test_neither_parts_nor_modules_import_each_other_in_a_circle():
    for graph in graphs():
        in_order(graph)


def test_each_part_imports_those_above_it_in_the_table_of_the_architecture():
    page = (ROOT.parent / "docs" / "architecture.md").read_text()
    rows = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in re.findall(r"^\| (`[^|]*) \|", page, re.M)]
    place = {part: number for number, row in enumerate(rows) for part in row}
    parts = {part: used for part, used in graphs()[0].items() if not part.startswith("__")}
    assert {part: up for part, used in parts.items() if (up := {of for of in used if place[of] > place[part]})} == {}


@pytest.mark.parametrize(("which", "low", "high"), [(0, "store", "report"), (1, "paths", "store.read")])
def test_a_planted_circle_is_found(which: int, low: str, high: str):
    graph = graphs()[which]
    prefix = "tmc_sweep." * which
    graph.setdefault(prefix + low, set()).add(prefix + high)
    with pytest.raises(CycleError):
        in_order(graph)


PUBLIC = {"_asdict", "_replace"}  # of named tuples
OTHERS = {"_dynamo", "_exit", "_fused_adam_", "_linear_pointwise"}  # of torch and os


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(source: str) -> list[str]:
    """Private names of others that a source imports, or takes as attributes of what is neither `self` nor its own."""
    tree = ast.parse(source)
    names = [name for name in imported(tree, ()) if name.startswith("tmc_sweep.")]
    found = [name for name in names if any(map(is_private, name.split(".")))]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own | PUBLIC | OTHERS:
            found += [] if ast.unparse(node.value) in ("self", "cls") else [ast.unparse(node)]
    return found


def test_no_private_name_is_used_elsewhere():
    uses = {str(path.relative_to(ROOT)): private_names(path.read_text()) for path in sources()}
    assert {file: found for file, found in uses.items() if found} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tmc_sweep.store.parts import _rows", ["tmc_sweep.store.parts._rows"]),
        ("from tmc_sweep.store import parts\nparts._rows()", ["parts._rows"]),
        ("def f(recorder):\n    return recorder._trials", ["recorder._trials"]),
        ("class A:\n    def f(self, other):\n        self._x = other._x", []),
        ("from tmc_sweep import __version__\nfound._asdict()", []),
    ],
)
def test_a_planted_private_name_is_found(source: str, found: list[str]):
    assert private_names(source) == found


def whole(room: str) -> str:
    """The statement that imports every module of a room."""
    paths = sorted((ROOT / room).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in paths)
    return f"import {', '.join(name.removesuffix('.__init__') for name in names)}"


PROCESSES = {  # (statement, what neither it nor any before it loads): a process each, light statements first
    "the command line": [
        ("import tmc_sweep", {"numpy", "pandas", "ray", "torch"}),
        ("import tmc_sweep.cli", {"matplotlib", "optuna", "pandas", "pyarrow", "ray", "scipy", "torch"}),
        (whole("space"), {"optuna", "pandas", "pyarrow", "ray", "torch", "tmc_sweep.store"}),
        (whole("images"), {"pandas", "ray", "sklearn", "torch"}),
    ],
    "tables": [
        (whole("store"), {"matplotlib", "optuna", "ray", "scipy", "torch", "tmc_sweep.space"}),
        (whole("statistics"), {"matplotlib", "optuna", "ray", "torch"}),
        ("from tmc_sweep import paired_differences, read_epochs, read_trials, summarize", {"ray", "torch"}),
        ("import tmc_sweep.report.tables", {"jinja2", "matplotlib", "optuna", "ray", "torch"}),
        (whole("report"), {"optuna", "ray", "torch", "tmc_sweep.article", "tmc_sweep.search"}),
        (whole("article"), {"optuna", "ray", "torch", "tmc_sweep.search", "tmc_sweep.sweep"}),
        (whole("search"), {"ray", "torch", "tmc_sweep.sweep"}),
    ],
    "the driver of a run": [
        ("import tmc_sweep.sweep.runner, tmc_sweep.sweep.ray_tune", {"optuna", "scipy", "sklearn", "torch"}),
        ("import tmc_sweep.sweep.tune", {"optuna", "sklearn", "torch"}),
    ],
    "maths": [
        (whole("objectives"), {"pandas", "ray", "tmc_sweep.models"}),
        (whole("models"), {"pandas", "ray", "tmc_sweep.training"}),
        (whole("training"), {"pandas", "ray", "sklearn", "tmc_sweep.store", "torchvision"}),
        (
            "from tmc_sweep import train\nfrom tmc_sweep.config import TrialConfig\n"
            "next(iter(train(TrialConfig.parse({'K': 1, 'train_images': 128}))))",
            {"sympy", "tmc_sweep.store", "triton"},  # torch's compiler
        ),
        (whole("integrity"), {"matplotlib", "optuna", "ray", "tmc_sweep.statistics", "tmc_sweep.sweep"}),
        (whole("analysis"), {"matplotlib", "optuna", "ray", "tmc_sweep.report", "tmc_sweep.sweep"}),
        ("import tmc_sweep.sweep.inline", {"matplotlib", "ray", "tmc_sweep.report"}),
    ],
}


def loaded_after(*statements: str, **environment: str) -> list[set[str]]:
    """What a new process has loaded once it has run each statement: packages, and parts of ours."""
    shown = (
        "\nimport sys\nprint(*{'.'.join(name.split('.')[: 2 if name.startswith('tmc_sweep.') else 1])"
        " for name in sys.modules})\n"
    )
    script = "".join(statement + shown for statement in statements)
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("steps", PROCESSES.values(), ids=PROCESSES)
def test_a_room_loads_only_what_it_needs(steps: list[tuple[str, set[str]]]):
    loaded = loaded_after(*(statement for statement, _ in steps))
    found = {statement: names & heavy for (statement, heavy), names in zip(steps, loaded, strict=True)}
    assert {statement: names for statement, names in found.items() if names} == {}


GOLDEN = Path(__file__).parent / "golden" / "v2"
BOTH = ("--results", "both")
MATHS_OR_RAY = {"ray", "sklearn", "torch", "torchvision"}
VERBS: list[tuple[tuple[str, ...], set[str]]] = [  # what neither it nor any before it loads, light ones first
    (("--help",), {"numpy", "pandas", "pyarrow", "ruamel", "tmc_sweep.space", "tmc_sweep.records"}),
    (("validate", "sweep.yaml"), {"optuna", "pandas", "pyarrow", "scipy", *MATHS_OR_RAY}),
    (("plan", "sweep.yaml"), {"matplotlib", "optuna", "scipy", *MATHS_OR_RAY}),
    (("status", "golden", *BOTH), {"matplotlib", "optuna", "scipy", *MATHS_OR_RAY}),
    (("summary", "golden", *BOTH), {"matplotlib", "optuna", "scipy", *MATHS_OR_RAY}),
    (("best", "golden", *BOTH), {"matplotlib", "optuna", *MATHS_OR_RAY}),
    (("compare", "golden", "other", *BOTH), {"matplotlib", "optuna", *MATHS_OR_RAY}),
    (("differences", "golden", *BOTH), {"matplotlib", "optuna", *MATHS_OR_RAY}),
    (
        ("export", "golden", "--to", "csv", "-o", "exported", *BOTH),
        {"matplotlib", "optuna", *MATHS_OR_RAY},
    ),
    (("report", "golden", "-o", "page.html", *BOTH), {"optuna", *MATHS_OR_RAY}),
]


COMMAND = """
import contextlib, io, sys
from tmc_sweep.cli import main

def command(*words):
    sys.argv = ["tmc-sweep", *words]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            main()
        except SystemExit as left:
            assert not left.code, (words, left.code)
    return said.getvalue()
"""


def test_a_verb_loads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("golden", "other"):
        for path in sorted(GOLDEN.rglob("*")):
            copy = tmp_path / "both" / str(path.relative_to(GOLDEN)).replace("golden", name)
            copy.mkdir(parents=True, exist_ok=True) if path.is_dir() else shutil.copyfile(path, copy)
    (tmp_path / "sweep.yaml").write_text("{name: small, base: {K: 2, epochs: 3}, seeds: 999, resources: {gpu: 0}}")
    for members in (1, 3):
        costs.remember(
            TrialConfig.parse({"K": 2}), members, costs.Means("cpu", "eager", 1, False), costs.Cost(1.0, 1.0)
        )
    known = "assert 'as measured on this machine' in command('plan', 'sweep.yaml')"
    statements = [f"{COMMAND if number == 0 else ''}\ncommand{words}" for number, (words, _) in enumerate(VERBS)]
    *loaded, _ = loaded_after(*statements, known, PYTHONPATH=str(ROOT.parent))
    found = {" ".join(words): names & heavy for (words, heavy), names in zip(VERBS, loaded, strict=True)}
    assert {verb: names for verb, names in found.items() if names} == {}


def test_what_an_import_loads_is_seen():
    nothing, both = loaded_after("pass", "import numpy, tmc_sweep.paths")
    assert both - nothing >= {"numpy", "tmc_sweep.paths"}


def unsafe_uses(source: str) -> list[str]:
    """Names in a source that read code from data: as attributes of their module, imported from it, or called bare."""
    tree, found = ast.parse(source), []
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found += [
                f"{node.module}.{alias.name}" for alias in node.names if alias.name in UNSAFE.get(node.module, ())
            ]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id, "")
            found += [f"{module}.{node.attr}"] if node.attr in UNSAFE.get(module, ()) else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in UNSAFE["builtins"]:
            found.append(node.func.id)
    return found


def test_no_loader_that_runs_code_is_used():
    uses = {str(path.relative_to(ROOT)): unsafe_uses(path.read_text()) for path in sources()}
    assert {file: found for file, found in uses.items() if found} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle\npickle.loads(b'')", ["pickle.loads"]),
        ("import torch as t\nt.load('x')", ["torch.load"]),
        ("from joblib import load", ["joblib.load"]),
        ("import yaml\nyaml.load('')", ["yaml.load"]),
        ("import pandas as pd\npd.read_pickle('x')", ["pandas.read_pickle"]),
        ("eval('1')\nexec('1')", ["eval", "exec"]),
        ("import pickle\npickle.UnpicklingError", []),
        ("import re\nre.compile('x')", []),
    ],
)
def test_a_planted_loader_is_found(source: str, found: list[str]):
    assert unsafe_uses(source) == found


INTERNALS = "tmc_sweep/sweep/ray_internals.py"
PLUGIN = "cluster/spot_first.py"  # one of Ray's autoscaler's own, which calls it
ATTRIBUTES = {"_client_ray_version", "_cookies", "_do_request", "_experiment_analysis", "_headers", "global_worker"}


def is_internal(name: str) -> bool:
    """Whether a dotted name is of a part of Ray that its reference does not have."""
    first, *parts = name.split(".")
    private = any(part.startswith("_") and not part.startswith("__") for part in parts)
    return first == "ray" and (private or parts[:1] in (["core"], ["dashboard"]))


def internals_of_ray(source: str) -> list[str]:
    """What of Ray's internals a source imports, or reaches by an attribute or by a name in a text."""
    tree, found = ast.parse(source), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found += [node.attr] if node.attr in ATTRIBUTES or is_internal(ast.unparse(node)) else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if is_internal(node.value) else []
    return found + [name for name in imported(tree, ()) if is_internal(name)]


def test_one_file_knows_rays_internals():
    folders = (ROOT, *(ROOT.parent / folder for folder in ("benchmarks", "cluster", ".ci")))
    files = sorted(path for folder in folders for path in folder.rglob("*.py"))
    uses = {str(path.relative_to(ROOT.parent)) for path in files if internals_of_ray(path.read_text())}
    assert uses == {INTERNALS, PLUGIN}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ray._private.worker import global_worker", ["ray._private.worker.global_worker"]),
        ("def f():\n    import ray._raylet", ["ray._raylet"]),
        ("from ray.autoscaler._private import commands", ["ray.autoscaler._private.commands"]),
        ("from ray.core.generated import gcs_service_pb2", ["ray.core.generated.gcs_service_pb2"]),
        ("from ray.dashboard.modules.job.sdk import X", ["ray.dashboard.modules.job.sdk.X"]),
        ("from ray import _raylet", ["ray._raylet"]),
        ("import ray\nray._private", ["_private"]),
        ("import importlib\nimportlib.import_module('ray._raylet')", ["ray._raylet"]),
        ("tuner.fit()._experiment_analysis", ["_experiment_analysis"]),
        (
            "from ray.autoscaler.sdk import bootstrap_config\nray.init(_temp_dir=ray.__version__)",
            [],
        ),
    ],
)
def test_a_planted_internal_of_ray_is_found(source: str, found: list[str]):
    assert internals_of_ray(source) == found


WALL_CLOCK = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
RECORDED = {
    ("cluster/nodes.py", "time.time"),  # how far a node's clock is from ours, which `doctor` tells
    ("analysis/evaluation.py", "datetime.now"),
    ("store/lock.py", "datetime.now"),
    ("store/manifest.py", "datetime.now"),
    ("training/pack.py", "datetime.now"),
    ("store/recorder.py", "datetime.now"),
    ("sweep/writer.py", "datetime.now"),
}


def wall_clock_uses(source: str) -> set[str]:
    """The wall clock's readings in a source; its clocks and how they are imported are few enough to go by name."""
    named = {
        ".".join(ast.unparse(node).split(".")[-2:])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
    }
    bare = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return (named | bare) & WALL_CLOCK


def test_the_wall_clock_is_recorded_and_decides_nothing():
    """Clocks jump. What these record are times of rows, trials, attempts, manifests and locks."""
    uses = {(str(path.relative_to(ROOT)), name) for path in sources() for name in wall_clock_uses(path.read_text())}
    assert uses == RECORDED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.time()", {"time.time"}),
        ("from time import time\ntime()", {"time.time"}),
        ("from datetime import datetime\ndatetime.now()", {"datetime.now"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.now"}),
        ("import time\ntime.monotonic()", set()),
    ],
)
def test_a_planted_look_at_the_clock_is_found(source: str, found: set[str]):
    assert wall_clock_uses(source) == found
