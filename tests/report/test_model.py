"""The model as drawn: its layers, widths and arrows, from the configuration."""

from collections import Counter

import numpy as np
from invented import sweep
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.model import model


def of(folder, base: str, space: str = "{}") -> Figure:
    text = f"{{name: m, base: {{data: mnist, {base}}}, space: {space}}}"
    known = lambda config: {"n_parameters": 1000 + config.weight_norm}  # noqa: E731
    tables = sweep(folder, text, lambda config: np.empty(0), known=known)
    return model(tables, cells_of(tables))


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def arrows(axes: Axes) -> Counter[str]:
    """How many of each colour."""
    return Counter(str(patch.get_facecolor()) for patch in axes.patches if isinstance(patch, FancyArrowPatch))


def test_layers_and_hidden_layers_have_their_widths(tmp_path):
    (axes,) = of(tmp_path, "architecture: large").draw().axes
    assert axes.get_title() == "large, mnist"
    assert texts(axes)[:6] == ["x\n784", "z₁\n64", "z₂\n32", "z₃\n16", "z₄\n8", "z₅\n4"]
    assert texts(axes)[6:11] == ["512\n512", "256\n256", "128\n128", "64\n64", "32\n32"]  # of q
    assert texts(axes)[11:16] == ["128\n128", "64\n64", "32\n32", "16\n16", "8\n8"]  # of p
    assert texts(axes)[16] == "N(0, I)"


def test_q_and_p_go_through_every_layer_and_the_prior_enters_the_last(tmp_path):
    (axes,) = of(tmp_path, "architecture: small").draw().axes
    assert sorted(arrows(axes).values()) == [10, 11]


def starts(axes: Axes) -> list[tuple[float, float]]:
    """Where the arrows of q begin."""
    first = axes.patches[-1]
    assert isinstance(first, FancyArrowPatch)
    return [
        tuple(np.round(patch._posA_posB[0], 2))
        for patch in axes.patches
        if isinstance(patch, FancyArrowPatch) and patch.get_facecolor() != first.get_facecolor()
    ]


def test_a_factorised_proposal_feeds_no_sample_upwards(tmp_path):
    (axes,) = of(tmp_path / "a", "architecture: small").draw().axes
    assert sum(height == 0 for _, height in starts(axes)) == 5  # x and z₁ to z₄
    (axes,) = of(tmp_path / "b", "architecture: small, proposal: factorised").draw().axes
    assert axes.get_title() == "small, mnist, factorised proposal"
    assert sum(height == 0 for _, height in starts(axes)) == 1  # x alone


def test_each_architecture_is_drawn_once_and_its_size_is_told(tmp_path):
    figure = of(
        tmp_path,
        "epochs: 1",
        "{architecture: {grid_search: [small, ablation]}, weight_norm: {grid_search: [false, true]}}",
    )
    assert [axes.get_title() for axes in figure.draw().axes] == ["small, mnist", "ablation, mnist"]
    assert "Trained values: small, mnist 1000–1001; ablation, mnist 1000–1001." in figure.caption


def test_sizes_are_told_where_they_are_known(tmp_path):
    tables = sweep(tmp_path, "{name: m, base: {data: digits}}", lambda config: np.empty(0))
    assert "Trained values" not in model(tables, cells_of(tables)).caption


def test_a_learned_prior_and_many_layers(tmp_path):
    (axes,) = of(tmp_path, f"prior: learned, architecture: {{latents: [{', '.join(['4'] * 12)}]}}").draw().axes
    assert texts(axes)[-1] == "N(μ, σ²)"
    assert texts(axes)[12] == "z₁₂\n4"
    sizes = {text.get_fontsize() for text in axes.texts}
    assert max(sizes) < 8
