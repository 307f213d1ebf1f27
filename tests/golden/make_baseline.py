"""Write what a rebuilding leaves as it is, or compare it with what is stored: `make_baseline.py [--check]`.

`help.txt` is the help of every verb, whose form is typer's and changes with its version; `messages.txt` the templates
of all sentences with a fix, without their files, which may move. So neither is a test: whoever moves code runs
`--check` before and after. What is meant to differ is written anew, in the commit that makes it differ.
"""

import difflib
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import typer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parent / "advice")]

from advice_messages import MESSAGES  # noqa: E402
from command import command  # noqa: E402

from tmc_sweep.cli.app import app  # noqa: E402

COLUMNS = 80


def help_text() -> str:
    """The overview and each verb's help, in the overview's order."""
    for name in [name for name in os.environ if name.startswith("TMC_SWEEP_")]:
        del os.environ[name]
    os.environ |= {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    verbs = typer.main.get_command(app).commands
    shown = [command(*verb, "--help").out for verb in ((), *((name,) for name in verbs))]
    return "\n".join([f"typer {version('typer')}, {COLUMNS} columns\n", *shown])


def messages_text() -> str:
    """Each template once, {} where something is filled in, sorted."""
    lines = {json.dumps(each.template.replace("\0", "{}"), ensure_ascii=False)[1:-1] for each in MESSAGES}
    return "".join(f"{line}\n" for line in sorted(lines))


KEPT = {"help.txt": help_text, "messages.txt": messages_text}


def check() -> int:
    """Print what differs from what is stored; 1 if anything does."""
    differing = 0
    for name, text in KEPT.items():
        stored, now = (HERE / name).read_text(), text()
        lines = list(difflib.unified_diff(stored.splitlines(), now.splitlines(), f"stored {name}", name, "", "", 1, ""))
        print("\n".join(lines) or f"{name}: equal")
        differing |= bool(lines)
    return differing


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(check())
    for name, text in KEPT.items():
        (HERE / name).write_text(text())
