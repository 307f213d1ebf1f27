"""A bound and a family of models of one's own: one file each, used from YAML to report, then gone."""

from pathlib import Path

import pytest
from command import Ended, command
from own import PLAIN, RENYI, WHOLE, Write

from tmc_sweep import train
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.artefacts import EVALUATIONS, LATENTS, RECONSTRUCTIONS, read_artefact
from tmc_sweep.store.read import read_epochs, read_trials

GONE = "raise SystemError('what is stored needs no file of others')"
SPACE = """
name: mine
base: {architecture: [2], train_images: 100, test_images: 40, K: 3, batch_size: 20, lr: 1e-2,
       epochs: EPOCHS}
space: {VARIED: {grid_search: [OURS, OWN]}}
seeds: 2
statistic: {last: 1}
resources: {gpu: 0, pack: 2}
"""


class Sweep:
    """A search space on disk with one value of ours and one of one's own, and the verbs that are asked of it."""

    def __init__(self, folder: Path, varied: str, ours: str, own: str) -> None:
        self.file, self.paths, self.page = folder / "mine.yaml", SweepPaths(folder / "results", "mine"), folder / "page"
        self._text = SPACE.replace("VARIED", varied).replace("OURS", ours).replace("OWN", own)

    def asked(self, verb: str, *options: object, code: int = 0, epochs: int = 2) -> Ended:
        self.file.write_text(self._text.replace("EPOCHS", str(epochs)))
        what = self.file if verb in ("validate", "run", "plan") else self.paths.name
        where = () if verb == "validate" else ("--results", self.paths.results)
        ended = command(verb, what, *where, *options)
        assert ended.code == code, ended.err
        return ended

    def train(self) -> None:
        """Planned, trained, and gone on with from its checkpoints."""
        for verb in ("validate", "plan"):
            self.asked(verb)
        for epochs in (2, 3):
            self.asked("run", "--executor", "inline", "--quiet", epochs=epochs)
        assert set(read_trials(self.paths.epochs)["status"]) == {"done"}
        assert read_epochs(self.paths.epochs).groupby("trial_id")["epoch"].max().tolist() == [3] * 4

    def read(self) -> None:
        """All that needs tables alone."""
        for verb in ("status", "best", "differences", "verify", "repair"):
            self.asked(verb, *(["--by", self._text.split("{")[2].split(":")[0]] if verb == "differences" else []))
        assert len(self.asked("summary", "--json").json) == 2
        self.asked("report", "-o", self.page)


@pytest.fixture
def bound(write_module: Write) -> str:
    return f"{write_module(RENYI)}:renyi"


def test_a_bound(tmp_path: Path, bound: str, write_module: Write):
    sweep = Sweep(tmp_path, "objective", "iwae", bound)
    sweep.train()
    rows = read_epochs(sweep.paths.epochs).query(f"objective == '{bound}'")
    assert (rows["test_elbo"] < rows["test_objective"]).all()
    assert (rows["test_objective"] < rows["test_iwae"]).all()
    for name in (bound, "iwae"):
        sweep.asked("evaluate", "--objective", name, "--samples", 20, "--quiet")
    values = read_artefact(EVALUATIONS, sweep.paths).pivot(index="trial_id", columns="bound", values="value")
    assert (values[bound] < values["iwae"]).all()
    sweep.asked("analyse")
    write_module(GONE)
    sweep.read()
    assert bound in sweep.page.read_text()
    said = sweep.asked("evaluate", "--samples", 30, "--quiet", code=2).err
    assert f"a bound of one's own must be importable, but {bound} is not (what is stored needs no file" in said


@pytest.mark.parametrize("source", [PLAIN, WHOLE], ids=["factors alone", "whole"])
def test_a_family_of_models(tmp_path: Path, source: str, write_module: Write):
    name = f"{write_module(source)}:{'Whole' if source == WHOLE else 'Plain'}"
    sweep = Sweep(tmp_path, "model", "vae", name)
    sweep.train()
    trials = read_trials(sweep.paths.epochs).set_index("model")
    assert set(trials.loc[name, "n_parameters"]) == {(64 + 1) * 4 + (2 + 1) * 64}
    assert set(trials.loc[name, "pack_size"]) == {1}
    curves = read_epochs(sweep.paths.epochs).query(f"model == '{name}'").pivot(index="epoch", columns="trial_id")
    assert (curves["test_objective"].loc[3] > curves["test_objective"].loc[1] + 0.5).all()
    sweep.asked("evaluate", "--objective", "iwae", "--samples", 120, "--quiet")
    assert read_artefact(EVALUATIONS, sweep.paths)["value"].notna().sum() == 4
    if source == WHOLE:
        sweep.asked("analyse")
        assert set(read_artefact(LATENTS, sweep.paths)["model"]) == {"vae", name}
    else:
        said = sweep.asked("analyse", code=2).err
        assert f"needs a model with sample and decode, but {name} of trial" in said
        assert "lacks sample and decode: add that, or name trials of other models with --trial" in said
        of_ours = trials.loc["vae", "trial_id"].iloc[0]
        sweep.asked("analyse", "--trial", of_ours)
        assert set(read_artefact(RECONSTRUCTIONS, sweep.paths)["trial_id"]) == {of_ours}
    write_module(GONE)
    sweep.read()
    assert name in sweep.page.read_text()


def test_a_trial_of_both_trains_without_a_sweep(bound: str, write_module: Write):
    name = write_module(RENYI + PLAIN)
    fields = {"model": f"{name}:Plain", "objective": f"{name}:half", "architecture": [2], "train_images": 100}
    first, second = train({**fields, "epochs": 2, "batch_size": 20})
    assert first.test_objective < second.test_objective < second.test_iwae


MISFITS = {
    "objective: {own}:renyi, gradient: dregs": (
        "gradient must be std for objective {own}:renyi, but got dregs: choose std, or name it in the entry of "
        "that bound",
        "objective: {own}:renyi, gradient: std",
    ),
    "model: {own}:Plain, architecture: [2], prior: learned": (
        "prior must be left out for model {own}:Plain, which does not read it, but got learned: remove it, or "
        "name it in the fields of that model's entry",
        "model: {own}:Plain, architecture: [2]",
    ),
    "model: {own}:bare, architecture: [2]": (
        "architecture must be left out for model {own}:bare, which does not read it, but got 2: remove it, or "
        "name it in the fields of that model's entry",
        "model: {own}:bare",
    ),
    "model: {own}:whole, architecture: [2], prior: learned, init: torch": ("", ""),
}
ENTRIES = """
from tmc_sweep.registry import Model

class Fixed(Plain):
    def __init__(self, config):
        nn.Module.__init__(self)
        self.latents, self.encoder, self.decoder = [2], nn.Linear(config.n_features, 4), nn.Linear(2, config.n_features)

whole, bare = Model("mine", Plain, fields=None), Model("mine", Fixed, fields=())
"""


@pytest.mark.parametrize("base", MISFITS)
def test_fields_that_do_not_go_with_an_entry_are_refused_where_they_stand(
    tmp_path: Path, write_module: Write, base: str
):
    name = write_module(RENYI + PLAIN + ENTRIES)
    said, right = MISFITS[base]
    file = tmp_path / "x.yaml"
    text = f"base: {{{base.format(own=name)}}}"
    file.write_text(f"name: x\n{text}\n")
    ended = command("validate", file)
    if said:
        field = said.split()[0]
        column = text.index(field) + len(f"{field}: ") + 1
        assert (ended.code, f"x.yaml:2:{column}: {said.format(own=name)}\n" in ended.err) == (2, True), ended.err
        file.write_text(f"name: x\nbase: {{{right.format(own=name)}}}\n")
        ended = command("validate", file)
    assert ended.code == 0, ended.err


def test_a_model_that_cannot_be_made_of_a_cell_is_one_sentence_before_anything_runs(
    tmp_path: Path, write_module: Write
):
    name = f"{write_module(PLAIN)}:Plain"
    sweep = Sweep(tmp_path, "model", "vae", name)
    options = ("--set", "architecture=small")
    for verb in (("validate",), ("plan",), ("run", "--executor", "inline", "--quiet")):
        said = sweep.asked(*verb, *options, code=2).err
        assert f"a model must be made of its configuration, but {name} is not (ValueError: too many values" in said
        assert said.count("\n") == 1


def test_factors_that_no_bound_can_take_are_one_sentence_at_validate(tmp_path: Path, write_module: Write):
    name = write_module(PLAIN.replace("log_pz.unsqueeze(-2)", "log_pz.unsqueeze(-1)"))
    sweep = Sweep(tmp_path, "model", "vae", f"{name}:Plain")
    said = sweep.asked("validate", code=2).err
    assert f"but {name}:Plain with objective tmc does not (log_p[1] must be [..., 1, 2] (K_parent, K_child)" in said
    assert said.count("\n") == 1


def test_an_unknown_word_is_told_the_choices_and_the_way_of_ones_own(tmp_path: Path):
    file = tmp_path / "x.yaml"
    file.write_text("name: x\nbase: {model: vea, objective: iwea}\n")
    first, second, *_ = command("validate", file).err.splitlines()
    assert "x.yaml:2:15: model must be one of vae, or package.module:Name of one's own, but got 'vea': did you" in first
    assert (
        "2:31: objective must be one of elbo, iwae, tmc, or package.module:Name of one's own, but got 'iwea'" in second
    )
