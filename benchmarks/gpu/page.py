"""The section of docs/performance.md on a GPU, from the JSON of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.parts import PARTS
from benchmarks.page import replace_section, table, wrapped

BEGIN = "<!-- gpu: from here on written by `python -m benchmarks.gpu --page` -->\n"
END = "<!-- gpu: end -->\n"


def write(page: Path, results: Mapping[str, Any]) -> None:
    """Put the section of these results into the page, between its two markers."""
    page.write_text(replace_section(page.read_text(), section(results), BEGIN, END))


def section(results: Mapping[str, Any]) -> str:
    """Where it was measured and how each part ended; with the figures, if they are a GPU's."""
    where, parts = results["where"], results["parts"]
    ended = [
        {
            "part": part.name,
            "rows": len(parts[part.name]["rows"]),
            "seconds": parts[part.name]["seconds"],
            "limit_seconds": part.seconds,
            "ended": parts[part.name]["ended"],
        }
        for part in PARTS
        if part.name in parts
    ]
    shown = [wrapped(_said(where)), table(ended)]
    if where["device"] != "cpu":
        rows = {name: part["rows"] for name, part in parts.items()}
        shown += [
            "### Goals on a GPU\n\n" + table(goals(rows)),
            *(_part(part.title, rows.get(part.name)) for part in PARTS),
        ]
    return "\n\n".join(filter(None, shown)) + "\n"


def goals(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, object]]:
    """What was aimed for, and the best engine's figure; nothing where there is none."""

    def best(part: str, column: str, **where: object) -> float | None:
        values = [row.get(column) for row in rows.get(part, ()) if where.items() <= row.items()]
        return min((value for value in values if value is not None), default=None)

    small = {"architecture": "small", "objective": "tmc", "K": 20}
    hours = best("epoch", "hours_of_1200", **small)
    one, three = (best("steps", "ms", **small, members=members) for members in (1, 3))
    return [
        _goal("3 seeds × 1200 epochs, small TMC, K = 20: minutes", 20, 8, hours and 60 * hours),
        _goal("host waits a step, 3 members", 0, 0, best("waits", "host_waits", **small, members=3)),
        _goal("a step of 3 members against one of 1", 1.6, 1.3, three / one if one and three else None),
    ]


def _goal(goal: str, least: float, aim: float, reached: float | None) -> dict[str, object]:
    return {"goal": goal, "at_least": least, "aim": aim, "reached": reached}


def _said(where: Mapping[str, Any]) -> str:
    commit = (where["commit"] or "unknown")[:12]
    on = f"Python {where['python']}, torch {where['torch']}, commit {commit}, {where['date']}"
    if where["device"] == "cpu":
        return f"**Never run on a GPU.** Rehearsed with a processor in its place ({where['processor']}; {on}):"
    memory = where["gpu_bytes"]
    size = f" of {memory / 2**30:.0f} GiB" if memory else ""
    return f"Measured on {where['gpu'] or 'a GPU'}{size}, in a machine with {where['processor']} ({on}); wall time:"


def _part(title: str, rows: Sequence[Mapping[str, Any]] | None) -> str:
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not any(row.get("failed") for row in rows):
        names = [name for name in names if name != "failed"]
    return f"### {title}\n\n{table([{name: row.get(name) for name in names} for row in rows])}"
