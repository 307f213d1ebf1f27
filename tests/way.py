"""The data's way as docs/architecture.md shows it, seen in a sweep as it runs: `python tests/way.py` prints it."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tmc_sweep import run
from tmc_sweep.config import TrialConfig

SPACE = """name: way
base: {data: digits, architecture: {latents: [8, 4]}, K: 2, lr: 1e-3, train_images: 200, epochs: 1}
"""
DOWN = {  # module and function, in the order in which they are called: what it makes of what it is given
    ("space.load", "load"): "a search space from search_spaces/mine.yaml",
    ("space.source", "read_tree"): "each value, and the line on which it stands",
    ("space.fields", "setting"): "each value by the rule of its field",
    ("space.search_space", "SearchSpace.trials"): "the trials: all values multiplied out, with each seed",
    ("config", "TrialConfig.trial_id"): "one trial: K, lr and all else, and the name that follows from them",
    ("sweep.packing", "Packer.plan"): "packs: trials of equal shapes",
    ("sweep.pack_run", "PackRun.train_epoch"): "an epoch of a pack, on Ray or inline; its rows go up as messages",
    ("training.pack", "Pack._epoch"): "one pass that trains, one that evaluates, and at the end the epoch's row",
    ("training.step", "Training.step"): "a minibatch of images and noise, from buffers that never move",
    ("models.vae", "HierarchicalVAE.forward"): "K samples of each latent, and log p and log q of them",
    ("objectives.bounds", "tmc"): "the bound, whose gradient is taken",
    ("training.member", "Members.step"): "a step of Adam of each member, of size lr",
}
UP = {
    ("sweep.writer", "Writer.deliver"): "the reply to a message, once all of it is on disk",
    ("store.recorder", "Recorder.receive"): "what it changes: rows, checkpoint, state, whether a cell stops",
    ("store.epochs", "EpochTable.commit"): "the epoch table",
    ("store.parts", "to_table"): "one part of it: the rows of 64 trials",
    ("store.parquet", "to_parquet"): "a Parquet file with its own SHA-256",
    ("store.files", "write"): "results/mine/part-00000.parquet, whole at any moment",
    ("statistics.windows", "read_runs"): "the last epochs that all seeds of a cell have",
    ("statistics.summary", "summary_of"): "their mean and spread, which report/ shows",
}


def calls() -> tuple[list[tuple[str, str]], dict[str, set[str]]]:
    """What is called in a small sweep, in order, and which modules read K and lr of a trial."""
    called: list[tuple[str, str]] = []
    readers: dict[str, set[str]] = {"K": set(), "lr": set()}
    plain = TrialConfig.__getattribute__

    def read(config: TrialConfig, name: str) -> object:
        if name in readers:
            readers[name].add(_module(sys._getframe(1)))
        return plain(config, name)

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (module := _module(frame)):
            called.append((module, frame.f_code.co_qualname))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "way.yaml")
        path.write_text(SPACE)
        TrialConfig.__getattribute__ = read  # type: ignore[method-assign]
        sys.setprofile(note)
        try:
            run(path, Path(folder, "results"), executor="inline")
        finally:
            sys.setprofile(None)
            TrialConfig.__getattribute__ = plain  # type: ignore[method-assign]
    return called, readers


def _module(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__"))
    return name.removeprefix("tmc_sweep.") if name.startswith("tmc_sweep.") else ""


def picture(readers: dict[str, set[str]]) -> str:
    """The way down and up again, a line for each stop; K and lr where they are read."""
    return "\n".join(_lines(readers)) + "\n"


def _lines(readers: dict[str, set[str]]) -> Iterator[str]:
    for (module, function), makes in {**DOWN, **UP}.items():
        if (module, function) == next(iter(UP)):
            yield ""
        read = ", ".join(name for name, modules in readers.items() if module in modules)
        file = f"{module.replace('.', '/')}.py"
        yield f"    {file:<24}{function.rpartition('.')[2]:<14}{makes}{f' (reads {read})' if read else ''}"


if __name__ == "__main__":
    sys.stdout.write(picture(calls()[1]))
