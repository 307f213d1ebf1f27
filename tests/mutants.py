r"""Mutants: small wrong changes of the package, drawn by a seed, each tried by the tests that reach its line.

First what each test reaches and how long it takes (`pip install pytest-cov`, which sees no tests without -n), then a
draw, and later the same mutants again, in whatever files they are by then:

    pytest -n 2 -m "not long" --cov=tmc_sweep --cov-context=test --cov-report= --durations=0 --durations-min=0 \
        > durations.txt
    python -m tests.mutants --seed 15 --store tests/golden/mutants.jsonl
    python -m tests.mutants --again tests/golden/mutants.jsonl --store again.jsonl

Each mutant is made in a clone of what is committed, and ends with the first test that fails or at a limit of time. A
test counts only if it passes without the mutant. Coverage sees the process that runs the tests, neither Ray's workers
nor commands of their own: what survives is tried by the tests of CHILDREN too. A statement of a module or a class runs
when it is imported, before any test: it is tried by those that reach a line which names what it binds. What survives
--most tests is tried again by more. `unclear`: the test fails without the mutant too, so try again.

A mutant is found again by its function and its text, by its text alone, or by a text much like it in a function of the
same name: compare the two files. If it is lost, look where its line went, and correct its line of the stored file; one
whose line is no more stays lost.

mutmut 3 forks a process that has imported everything, which neither Ray nor torch's threads survive, and mangles
functions that Ray pickles; cosmic-ray runs one command for all mutants, deletes no statement and draws by no seed.
"""

import argparse
import ast
import copy
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from coverage import CoverageData

ROOT = Path(__file__).parents[1]
PACKAGE = "tmc_sweep"
FACTOR, STARTING = 4.0, 120.0  # a mutant's limit: that much longer than measured, and what pytest takes to start
ALIKE = 0.7
SECONDS = 40.0  # of tests, as measured, for one mutant
CHILDREN = (
    "tests/test_supervision.py",
    "tests/sweep/test_raylet.py",
    "tests/cluster/test_jobs.py",
    "tests/test_end_to_end.py",
    "tests/sweep/test_ray.py",
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HOW = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", "not long")
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
SWAPPED: Mapping[type, Sequence[type]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Change(NamedTuple):
    """A value for one field of one node of a syntax tree."""

    operator: str
    node: ast.AST
    field: str
    value: object

    @contextmanager
    def made(self) -> Iterator[None]:
        """The tree with it, while inside."""
        before = getattr(self.node, self.field)
        setattr(self.node, self.field, self.value)
        try:
            yield
        finally:
            setattr(self.node, self.field, before)


@dataclass(frozen=True)
class Mutant:
    """Where it is, what it changes, and what became of it."""

    file: str
    function: str
    statement: int  # of the function, from its `def`, which is 0
    operator: str
    nth: int  # of the changes that this operator makes of the statement
    before: str
    after: str
    outcome: str = ""
    by: str = ""
    tests: int = 0
    note: str = ""  # written by hand: why it survives

    def keys(self) -> Iterator[tuple[object, ...]]:
        """What it is found by, the surest first."""
        change = (self.operator, self.nth, self.before, self.after)
        yield self.file, self.function, self.statement, change
        yield self.function, change
        yield (change,)

    def likeness(self, other: "Mutant") -> float:
        """Of the two texts, up to 1; 0 where another thing is done to a statement."""
        if (self.operator, self.nth) != (other.operator, other.nth):
            return 0.0
        return SequenceMatcher(None, self.before, other.before, autojunk=False).ratio()


class Statement(NamedTuple):
    """One statement, without those in it."""

    file: str
    function: str
    number: int
    node: ast.stmt
    changes: tuple[Change, ...]
    runs_at_import: bool

    @property
    def text(self) -> str:
        """As one line, without what is in it."""
        header = copy.copy(self.node)
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            if isinstance(getattr(header, field, None), list):
                setattr(header, field, [])
        return " ".join(ast.unparse(header).split())

    def mutants(self) -> Iterator[tuple[Mutant, Change]]:
        """One of each change."""
        before, counted = self.text, Counter[str]()
        for change in self.changes:
            with change.made():
                after = "pass" if change.operator == "delete" else self.text
            nth = counted[change.operator]
            counted[change.operator] += 1
            yield Mutant(self.file, self.function, self.number, change.operator, nth, before, after), change

    @property
    def lines(self) -> range:
        """Those of it, and of a `def` those in it: a default or a decorator matters where the function runs."""
        body = getattr(self.node, "body", None)
        if isinstance(self.node, FUNCTIONS):
            return range(body[0].lineno, self.node.end_lineno + 1)
        end = body[0].lineno if isinstance(body, list) else self.node.end_lineno + 1
        return range(self.node.lineno, max(end, self.node.lineno + 1))

    @property
    def binds(self) -> set[str]:
        """Names that it gives values."""
        if isinstance(self.node, ast.ClassDef):
            return {self.node.name}
        return {
            node.id for node in ast.walk(self.node) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def statements() -> tuple[Statement, ...]:
    """Those of the package that have a mutant."""
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    return tuple(each for path in paths for each in _statements(path) if each.changes)


def _statements(path: Path) -> Iterator[Statement]:
    counted = Counter[str]()
    for parent, field, function, in_function, node in _walk(tree(path), "", False):
        changes = _deletions(parent, field, node, in_function)
        changes += [change for part in _own(node) for change in _changes(part)]
        at_import = not in_function and not isinstance(node, FUNCTIONS)
        yield Statement(str(path.relative_to(ROOT)), function, counted[function], node, tuple(changes), at_import)
        counted[function] += 1


def _walk(node: ast.AST, function: str, in_function: bool) -> Iterator[tuple[ast.AST, str, str, bool, ast.stmt]]:
    """Every statement, where it hangs, the name of the function or class that it is in, and if it is in a function."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            inner, within = function, in_function
            if isinstance(child, DEFINITIONS):
                inner = f"{function}.{child.name}".lstrip(".")
                within = not isinstance(child, ast.ClassDef)
            if isinstance(child, ast.stmt):
                yield node, field, inner, in_function, child
            if isinstance(child, ast.AST):
                yield from _walk(child, inner, within)


def _deletions(parent: ast.AST, field: str, node: ast.stmt, in_function: bool) -> list[Change]:
    kept = (*DEFINITIONS, ast.Import, ast.ImportFrom, ast.Pass, ast.Return, ast.Global, ast.Nonlocal)
    if not in_function or isinstance(node, kept) or hasattr(node, "body") or _says_nothing(node) or _names(node):
        return []
    others = getattr(parent, field)
    return [Change("delete", parent, field, [ast.Pass() if other is node else other for other in others])]


def _names(node: ast.stmt) -> bool:
    """A name's assignment, without which the next line that reads it fails."""
    return isinstance(node, ast.Assign) and all(isinstance(target, ast.Name | ast.Tuple) for target in node.targets)


def _says_nothing(node: ast.stmt) -> bool:
    """A docstring, the dots of a protocol, or an annotation alone."""
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
        isinstance(node, ast.AnnAssign) and node.value is None
    )


_NOT_ITS_OWN = ("annotation", "returns", "format_spec", "handlers", "cases")


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that a statement's text shows, but for annotations and formats."""
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.stmt) and field not in _NOT_ITS_OWN:
                yield from _own(child)


def _changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[first, *others]):
            for other in SWAPPED[type(first)]:
                yield Change("comparison", node, "ops", [other(), *others])
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            for other in SWAPPED.get(type(op), ()):
                yield Change("arithmetic", node, "op", other())
        case ast.BoolOp(op=op):
            yield Change("and or", node, "op", SWAPPED[type(op)][0]())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield Change("not", node, "operand", _negated(operand))
        case ast.UnaryOp(op=ast.USub()):
            yield Change("sign", node, "op", ast.UAdd())
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield Change("condition", node, "test", _negated(test))
        case ast.comprehension(ifs=[test, *others]):
            yield Change("condition", node, "ifs", [_negated(test), *others])
        case ast.Constant(value=bool(value)):
            yield Change("constant", node, "value", not value)
        case ast.Constant(value=int(value) | float(value)):
            for other in (value + 1, value - 1):
                yield Change("constant", node, "value", other)
        case ast.Return(value=ast.AST() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield Change("return", node, "value", ast.Constant(None))
        case ast.Call(args=args, keywords=keywords):
            for keyword in keywords:
                yield Change("argument", node, "keywords", [other for other in keywords if other is not keyword])
            if len(args) > 1:
                yield Change("argument", node, "args", args[:-1])


def _negated(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), node)


def draw(seed: int, count: int) -> list[Mutant]:
    """Statements drawn evenly, and of each one of its mutants."""
    generator = random.Random(seed)
    return [
        generator.choice([mutant for mutant, _ in statement.mutants()])
        for statement in generator.sample(statements(), count)
    ]


def found(wanted: Mutant) -> Mutant | None:
    """It as it is now; None if nothing is surely the same."""
    for keys, key in zip(_by_keys(), wanted.keys(), strict=True):
        if len(same := keys[key]) == 1:
            return same[0]
    likest = max(_by_name()[wanted.function.rpartition(".")[2]], key=wanted.likeness, default=wanted)
    return likest if wanted.likeness(likest) > ALIKE and likest != wanted else None


@cache
def _by_name() -> Mapping[str, list[Mutant]]:
    """Every mutant of the package by its function's own name."""
    by_name: defaultdict[str, list[Mutant]] = defaultdict(list)
    for statement in statements():
        by_name[statement.function.rpartition(".")[2]] += (mutant for mutant, _ in statement.mutants())
    return by_name


@cache
def _by_keys() -> tuple[Mapping[tuple[object, ...], list[Mutant]], ...]:
    """Every mutant of the package by each of its keys."""
    mutants = [mutant for statement in statements() for mutant, _ in statement.mutants()]
    tables: list[defaultdict[tuple[object, ...], list[Mutant]]] = []
    for nth, _ in enumerate(mutants[0].keys()):
        tables.append(defaultdict(list))
        for mutant in mutants:
            tables[nth][list(mutant.keys())[nth]].append(mutant)
    return tuple(tables)


def place(mutant: Mutant) -> Statement:
    """Its statement."""
    at = (mutant.file, mutant.function, mutant.statement)
    return next(each for each in statements() if (each.file, each.function, each.number) == at)


class Reached:
    """Which tests reach which lines, and how long each takes."""

    def __init__(self, coverage: Path, durations: Path, most: int) -> None:
        """Of what was measured, to try no mutant by more than `most` tests."""
        self._data = CoverageData(str(coverage))
        self._data.read()
        self._files = {file[file.rindex(f"/{PACKAGE}/") + 1 :]: file for file in self._data.measured_files()}
        self._most = most
        self._seconds: defaultdict[str, float] = defaultdict(float)
        said = durations.read_text()
        for seconds, test in re.findall(r"^([\d.]+)s (?:setup|call|teardown) +(.*)$", said, re.M):
            self._seconds[test] += float(seconds)
        self._failing = [line.partition(" ")[2] for line in re.findall(r"^(?:FAILED|ERROR) .*$", said, re.M)]

    def tests(self, statement: Statement) -> list[str]:
        """Those that try it: first those that are named after its module, then the quickest."""
        if statement.runs_at_import:
            tests = {test for file, line in _naming(statement.binds) for test in self._by_line(file).get(line, ())}
            tests = tests or {test for some in self._by_line(statement.file).values() for test in some}
        else:
            tests = {test for line in statement.lines for test in self._by_line(statement.file).get(line, ())}
        sound = {test for test in tests if not any(line.startswith(test) for line in self._failing)}
        module = Path(statement.file).stem
        ordered = sorted(sound, key=lambda test: (module not in test, self._seconds[test], test))[: self._most]
        sums = accumulate(self._seconds[test] for test in ordered)
        return [test for test, seconds in zip(ordered, sums, strict=True) if test == ordered[0] or seconds < SECONDS]

    def seconds(self, places: Sequence[str]) -> float:
        """What these tests, or files of tests, took."""
        return sum(seconds for test, seconds in self._seconds.items() if test.startswith(tuple(places)))

    def _by_line(self, file: str) -> Mapping[int, set[str]]:
        contexts = self._data.contexts_by_lineno(self._files[file]) if file in self._files else {}
        return {line: {name.rpartition("|")[0] for name in names if name} for line, names in contexts.items()}


def _naming(names: set[str]) -> Iterator[tuple[str, int]]:
    """The lines that read one of these names."""
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        for node in ast.walk(tree(path)):
            if names & {getattr(node, "id", ""), getattr(node, "attr", "")}:
                yield str(path.relative_to(ROOT)), node.lineno


class Clone:
    """A clone of what is committed, for one mutant after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)

    def outcome(self, mutant: Mutant, reached: Reached) -> Mutant:
        """The mutant, with what became of it."""
        tests = reached.tests(place(mutant))
        for trying in (tests, CHILDREN):
            seconds = STARTING + FACTOR * reached.seconds(trying)
            if by := self._failing(mutant, True, trying, seconds) if trying else "":
                alone = [by] if by.startswith("tests/") else trying
                without = self._failing(mutant, False, alone, seconds)
                return replace(mutant, outcome="unclear" if without else "killed", by=by, tests=len(tests))
        return replace(mutant, outcome="survived" if tests else "unreached", tests=len(tests))

    def _failing(self, mutant: Mutant, made: bool, tests: Sequence[str], seconds: float) -> str:
        """The first test that fails, or why there is none; nothing if all pass."""
        with _written(mutant, self.folder, made), tempfile.NamedTemporaryFile("w") as arguments:
            arguments.write("\n".join(tests))
            arguments.flush()
            run = subprocess.Popen(
                [sys.executable, "-m", "pytest", *HOW, f"@{arguments.name}"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            try:
                said, _ = run.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.communicate()
                return "the limit of time"
        if not run.returncode:
            return ""
        failed = re.search(r"^(?:FAILED|ERROR) (tests/.*)", said, re.M)
        if not failed:
            return "what is imported"
        named = [test for test in tests if "::" in test and failed[1].startswith(test)]
        return max(named, key=len, default=failed[1].partition(" - ")[0])


@contextmanager
def _written(mutant: Mutant, folder: Path, made: bool) -> Iterator[None]:
    """The mutant's file as Python prints it, which is all that is changed if the mutant isn't made."""
    with _PRINTING:
        change = next(change for each, change in place(mutant).mutants() if each == replace(mutant, note=""))
        with change.made() if made else nullcontext():
            (folder / mutant.file).write_text(ast.unparse(tree(ROOT / mutant.file)))
    try:
        yield
    finally:
        subprocess.run(["git", "checkout", "--quiet", "."], cwd=folder, check=True)


_PRINTING = Lock()  # the trees are everyone's


def tried(mutants: Sequence[Mutant], reached: Reached, lanes: int) -> Iterator[Mutant]:
    """Each with its outcome, some at a time."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(lanes) as pool:
        free: SimpleQueue[Clone] = SimpleQueue()
        for lane in range(lanes):
            free.put(Clone(Path(folder) / str(lane)))

        def one(mutant: Mutant) -> Mutant:
            clone = free.get()
            try:
                return clone.outcome(mutant, reached)
            finally:
                free.put(clone)

        yield from pool.map(one, mutants)


def main() -> None:
    options = argparse.ArgumentParser(description="Draw mutants, or find stored ones again, and try them.")
    options.add_argument("--seed", type=int, default=15)
    options.add_argument("--count", type=int, default=60)
    options.add_argument("--again", type=Path, help="file of mutants, in place of a draw")
    options.add_argument("--coverage", type=Path, default=Path(".coverage"))
    options.add_argument("--durations", type=Path, default=Path("durations.txt"))
    options.add_argument("--most", type=int, default=40, help="tests for one mutant")
    options.add_argument("--lanes", type=int, default=2)
    options.add_argument("--store", type=Path, help="file to write them to, with their outcomes")
    given = options.parse_args()
    seed, mutants = stored(given.again) if given.again else (given.seed, draw(given.seed, given.count))
    print(f"{len(mutants)} mutants of seed {seed}")
    reached = Reached(given.coverage, given.durations, given.most)
    outcomes = tried([mutant for mutant in mutants if not mutant.outcome], reached, given.lanes)
    ended = []
    for mutant in mutants:
        ended.append(mutant if mutant.outcome else next(outcomes))
        print(json.dumps(asdict(ended[-1])), flush=True)
    head = {"seed": seed, "commit": commit(), **Counter(mutant.outcome for mutant in ended)}
    print(json.dumps(head))
    if given.store:
        given.store.write_text("".join(f"{json.dumps(each)}\n" for each in (head, *map(asdict, ended))))


def stored(file: Path) -> tuple[int, list[Mutant]]:
    """The seed of a stored draw, and its mutants as they are now."""
    head, *mutants = map(json.loads, file.read_text().splitlines())
    return head["seed"], [_now(Mutant(**mutant)) for mutant in mutants]


def _now(mutant: Mutant) -> Mutant:
    if now := found(mutant):
        return replace(now, note=mutant.note)
    return replace(mutant, outcome="lost")


def commit() -> str:
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return said.stdout.strip()


if __name__ == "__main__":
    main()
