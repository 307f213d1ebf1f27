"""Other programs' words in a search space, and ours for the same.

Who moves from W&B's sweeps, Katib, Hydra's sweepers, SEML, Ray Tune or RLlib often begins with a file of theirs. Such a
file is not run as it is; each error says the same in our words, so that doing what the errors say brings it over.
`section` and `instead` know their top-level keys, `domain` their ways to write a dimension.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from tmc_sweep.space.mistakes import SpaceError
from tmc_sweep.space.source import YamlNode, tree, unplaced

SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # by their top-level key: our section, and the path in theirs
    "parameters": ("space", ()),
    "grid": ("space", ()),
    "fixed": ("base", ()),
    "hydra": ("space", ("sweeper", "params")),
    "spec": ("space", ("parameters",)),
    "metric": ("statistic", ()),
    "early_terminate": ("scheduler", ()),
}
NOT_OURS = (  # top-level keys that say what is run, where and by whom
    *("program", "command", "project", "entity", "description"),
    *("apiVersion", "kind", "metadata", "defaults", "seml", "slurm"),
)
_ALGORITHMS = {"grid": "grid", "random": "random", "bayes": "tpe"}
_VALUES = ("values", "options", "choices", "list")
_MOST_LISTED = 20  # values that an advice writes out
_CALL = re.compile(r"(?:tune\.)?(\w+)\((.*)\)", re.DOTALL)
_OURS = ("grid_search", "uniform", "loguniform", "quniform", "qloguniform", "randint", "lograndint")


def section(key: str, node: YamlNode) -> tuple[str, YamlNode] | None:
    """The section of ours that another program's top-level key stands for, and what it holds; None if there is none."""
    if key in SECTIONS:
        name, path = SECTIONS[key]
        return name, _by_name(node.at(path))
    if node.get("config") and (node.get("run") or node.get("env")):  # RLlib's, of any name
        return "space", node.at(("config",))
    return None


def instead(key: str, node: YamlNode) -> str | None:
    """What to do about another program's top-level key, as the end of a sentence; None if it is no known one."""
    if key in NOT_OURS:
        return "remove it: a search space says what varies, not what is run and where"
    if key == "method":
        algorithm = _ALGORITHMS.get(str(node.value), "random")
        return f"write search: {{algorithm: {algorithm}{'' if algorithm == 'grid' else ', num_samples: 40'}}}"
    if key == "run_cap":
        return "write num_samples under search"
    if key == "random":
        return "write search: {algorithm: random, num_samples: 40}, and what it draws under space"
    if found := section(key, node):
        name, held = found
        inner = ".".join(SECTIONS.get(key, ("", ("config",)))[1])
        return f"call it {name}" if held is node else f"write what it has as {inner} under {name}"
    return None


def domain(node: YamlNode) -> YamlNode | None:
    """A dimension in another program's words as a node in ours; None if it is none that we know."""
    found = _of_call(node.value) if isinstance(node.value, str) else _of_words(node.plain())
    return None if found is None else unplaced(found)


def _by_name(node: YamlNode) -> YamlNode:
    """Katib's list of parameters as a mapping."""
    if not isinstance(node.value, list):
        return node
    named = {str(name.value): item for item in node.value if (name := item.get("name"))}
    return YamlNode(node.mark, named, {name: item.mark for name, item in named.items()})


def _of_words(words: Any) -> Any:
    if not isinstance(words, dict):
        return None
    inner = words.get("feasibleSpace")
    given = {**words, **(inner if isinstance(inner, dict) else {})}
    listed = next((given[word] for word in _VALUES if isinstance(given.get(word), list)), None)
    if listed is not None:
        return {"grid_search": [_number(item) for item in listed]}
    if "value" in given and "distribution" not in given:
        return given["value"]
    said = [str(given.get(word, "")) for word in ("distribution", "type", "parameterType")]
    low, high = (_number(given.get(short, given.get(long))) for short, long in (("min", "low"), ("max", "high")))
    mean, std = _number(given.get("mu")), _number(given.get("sigma"))
    if isinstance(mean, float | int) and isinstance(std, float | int):
        low, high = mean - 2 * std, mean + 2 * std
    if not all(isinstance(end, float | int) for end in (low, high)):
        return None
    if said[0] == "log_uniform":  # of exponents
        low, high = (float(f"{math.exp(end):.6g}") for end in (low, high))
    kind = " ".join(said).lower()
    whole = "int" in kind or (not kind.strip() and isinstance(low, int) and isinstance(high, int))
    step, count = _number(given.get("q", given.get("step"))), given.get("num")
    if given.get("type") == "range":
        return _stepped([low, high, *([] if step is None else [step])])
    if isinstance(count, int) and low > 0:
        return _spaced(low, high, count, log="log" in kind)
    if whole:
        high = high if "randint" in kind else high + 1
    return _range(low, high, step, log="log" in kind or given.get("log") is True, whole=whole)


def _range(low: Any, high: Any, step: Any, *, log: bool, whole: bool) -> Any:
    if whole:
        return {"lograndint" if log else "randint": [low, high]}
    name = "loguniform" if log else "uniform"
    return {name: [low, high]} if step is None else {f"q{name}": [low, high, step]}


def _of_call(text: str) -> Any:
    if "(" not in text:
        values = _arguments(text)
        return {"grid_search": values} if values and len(values) > 1 else None
    call = _CALL.fullmatch(text.strip())
    arguments = _arguments(re.sub(r"\b(step|start|stop)=", "", call[2])) if call else None
    if call is None:
        return None
    name = call[1]
    if name in ("tag", "int", "float", "shuffle"):
        inner = _of_call(call[2].partition(",")[2].strip() if name == "tag" else call[2])
        return _tagged(inner, log=name == "tag" and call[2].startswith("log"), whole=name == "int")
    if not arguments:
        return None
    if name == "choice" and isinstance(arguments[0], list):  # Tune's
        return {"choice": arguments[0]}
    if name in ("choice", "grid_search"):
        return {"grid_search": arguments[0] if isinstance(arguments[0], list) else arguments}
    if name == "range":
        return _stepped(arguments)
    if name == "interval" and len(arguments) == 2:
        return {"uniform": arguments}
    return {name: arguments} if name in _OURS else None


def _stepped(arguments: list[Any]) -> Any:
    """Hydra's and SEML's range(start, stop, step) as a grid of its values, `stop` left out."""
    low, high, step = (0, *arguments, 1)[:3] if len(arguments) < 2 else (*arguments, 1)[:3]
    if not all(isinstance(each, int | float) for each in (low, high, step)) or not step > 0:
        return None
    return _grid([low + i * step for i in range(min(math.ceil((high - low) / step), _MOST_LISTED + 1))])


def _spaced(low: float, high: float, count: int, *, log: bool) -> Any:
    """SEML's grid of `count` values from low to high, both included."""
    shares = [i / max(count - 1, 1) for i in range(min(count, _MOST_LISTED + 1))]
    return _grid([low * (high / low) ** share if log else low + share * (high - low) for share in shares])


def _grid(values: list[Any]) -> Any:
    plain = [value if isinstance(value, int) else float(f"{value:.12g}") for value in values]
    return None if len(values) > _MOST_LISTED else {"grid_search": plain}


def _tagged(inner: Any, *, log: bool, whole: bool) -> Any:
    """Hydra's `tag(log, …)` or `int(…)` around a range, whose ends are both included."""
    if not isinstance(inner, dict) or "grid_search" in inner:
        return inner
    ((name, (low, high, *_)),) = inner.items()
    log = log or "log" in name
    return _range(low, high + 1 if whole else high, None, log=log, whole=whole)


def _arguments(text: str) -> list[Any] | None:
    try:
        plain = tree(f"[{text}]", "").plain()
    except SpaceError:
        return None
    return plain if isinstance(plain, list) else None


def _number(value: Any) -> Any:
    """A number, also where it is quoted, as Katib does; anything else as it is."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value):
        return float(value)
    return value
