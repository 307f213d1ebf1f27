"""Write what a rebuilding leaves as it is, or compare it with what is stored: `make_baseline.py [--check]`.

`help.txt` is the help of every verb, whose form is typer's and changes with its version; `messages.txt` the templates
of all sentences with a fix, without their files, which may move; `hashes.json` what 200 steps give for every preset and
objective, which is equal only on the processor and by the torch named there. So none of this is a test: whoever moves
code runs `--check` before and after. What is meant to differ is written anew, in the commit that makes it differ.
"""

import difflib
import hashlib
import json
import os
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path

import torch
import typer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent), str(HERE.parent / "advice")]

from advice_messages import MESSAGES  # noqa: E402
from command import command  # noqa: E402

from tmc_sweep.cli.app import app  # noqa: E402
from tmc_sweep.config import PRESETS, TrialConfig  # noqa: E402
from tmc_sweep.data import Split, load  # noqa: E402
from tmc_sweep.registry import BOUNDS  # noqa: E402
from tmc_sweep.training import Pack, TrialState  # noqa: E402
from tmc_sweep.training.provenance import processor  # noqa: E402

COLUMNS = 80
STEPS = 200
FIELDS = {"data": "digits", "train_images": 200, "test_images": 50, "batch_size": 20, "K": 5}


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


def hashes_text() -> str:
    """The hashes of every preset and objective, and what they hold for."""
    torch.set_num_threads(1)
    by = {"processor": processor(), "torch": torch.__version__, "threads": 1, "steps": STEPS, "fields": FIELDS}
    trained = {f"{preset} {objective}": hashes(preset, objective) for preset, objective in product(PRESETS, BOUNDS)}
    return json.dumps({**by, "sha256": trained}, indent=1) + "\n"


def hashes(preset: str, objective: str) -> dict[str, str]:
    """Of the parameters' bytes, by name, and of the numbers of all epochs."""
    config = TrialConfig.parse({**FIELDS, "architecture": preset, "objective": objective})
    pack = Pack([TrialState.initial(config)], Split.of(load(config.data), config))
    for _ in range(STEPS // config.steps_per_epoch):
        pack.train_epoch()
    state = pack.state(0)
    numbers = json.dumps([record.outcome() for record in state.history])
    parameters = b"".join(state.parameters[name].numpy().tobytes() for name in sorted(state.parameters))
    return {"parameters": _sha256(parameters), "epochs": _sha256(numbers.encode())}


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


KEPT = {"help.txt": help_text, "messages.txt": messages_text, "hashes.json": hashes_text}


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
