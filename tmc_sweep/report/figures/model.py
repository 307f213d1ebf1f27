"""A drawing of the model, made from its configuration (article, Figure 4)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import matplotlib.figure
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch

from tmc_sweep.config import TrialConfig
from tmc_sweep.registry import DATA_SETS
from tmc_sweep.report.figures.cells import Cells
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import COLOURS, DARK, WIDTH, canvas, legend_below
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.text import counted, span

_MAX_MODELS = 8
_FAMILY = "vae"  # the family of models that this can draw
_Q, _P = COLOURS[2], COLOURS[3]  # the first two colours stand for iwae and tmc in most reports
_STEP, _RISE = 1.08, 0.52  # inches from one stochastic layer to the next, and up or down to the hidden layers
_HEIGHT = 1.75  # inches of one model


def model(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure, a drawing for each architecture of the sweep; None without trials of the family that it draws."""
    drawn = sweep.trials[sweep.trials["model"] == _FAMILY]
    trials = drawn.drop_duplicates("cell_id")[["config", "n_parameters"]]
    configs = [(TrialConfig.stored(json.loads(text)), size) for text, size in trials.itertuples(index=False)]
    models = {_name(config): config for config, _ in configs}
    if not models:
        return None
    known = [(config, int(size)) for config, size in configs if pd.notna(size)]
    caption = " ".join(_caption(models, known))
    return Figure("model", "Model", caption, partial(_draw, dict(list(models.items())[:_MAX_MODELS])))


def _name(config: TrialConfig) -> str:
    """The title of a drawing: what tells it from another drawing of the sweep."""
    parts = [config.architecture.name, config.data]
    parts += ["factorised proposal"] * (config.proposal == "factorised")
    parts += ["learned prior"] * (config.prior == "learned")
    return ", ".join(parts)


def _draw(models: Mapping[str, TrialConfig]) -> matplotlib.figure.Figure:
    figure = canvas(_HEIGHT * len(models) + 0.4)
    panels = figure.subplots(len(models), 1, squeeze=False)
    for axes, (title, config) in zip(panels.flat, models.items(), strict=True):
        axes.set_title(title)
        Drawing(axes, config).draw()
    handles = [
        Line2D([], [], color=_Q, label="recognition q"),
        Line2D([], [], color=_P, label="generation p"),
        Patch(facecolor="white", edgecolor=DARK, label="two hidden layers"),
    ]
    legend_below(figure, handles)
    return figure


class Drawing:
    """One model, from x on the left to its last latent on the right; q above and p below. Units are inches."""

    def __init__(self, axes: Axes, config: TrialConfig) -> None:
        self.axes = axes
        self.config = config
        self.n = len(config.architecture.latents)
        self.step = min(_STEP, (WIDTH - 1.6) / self.n)
        self.scale = min(1.0, self.step / 0.85)
        axes.set_axis_off()
        axes.set_aspect("equal")
        middle = (self.n * self.step + 0.8 * self.scale) / 2
        axes.set(xlim=(middle - WIDTH / 2, middle + WIDTH / 2), ylim=(-_RISE - 0.3, _RISE + 0.3))

    def draw(self) -> None:
        """Draw the stochastic layers, the hidden layers, and the arrows of q and p."""
        config, architecture = self.config, self.config.architecture
        known = DATA_SETS.get(config.data)  # one's own is not imported here
        layers = [self._layer(0, f"x\n{known.n_features}" if known else "x", "#E6E6E6")]
        layers += [self._layer(i, f"z{_below(i)}\n{width}") for i, width in enumerate(architecture.latents, 1)]
        q = [self._hidden(i, width, _Q, _RISE) for i, width in enumerate(architecture.q_hidden)]
        p = [self._hidden(i, width, _P, -_RISE) for i, width in enumerate(architecture.p_hidden)]
        for i in range(self.n):
            parent = q[i - 1] if i and config.proposal == "factorised" else layers[i]
            self._arrow(parent, q[i], _Q)
            self._arrow(q[i], layers[i + 1], _Q)
            self._arrow(layers[i + 1], p[i], _P)
            self._arrow(p[i], layers[i], _P)
        self._arrow(self._prior(), layers[-1], _P)

    def _layer(self, index: int, text: str, colour: str = "white") -> Patch:
        at = index * self.step, 0.0
        circle = Circle(at, 0.25 * self.scale, facecolor=colour, edgecolor=DARK)
        self._text(at, text)
        return self._added(circle)

    def _hidden(self, index: int, width: int, colour: str, height: float) -> Patch:
        at = (index + 0.5) * self.step, height
        half = 0.17 * self.scale
        corner = at[0] - half, at[1] - half
        self._text(at, f"{width}\n{width}")
        return self._added(
            FancyBboxPatch(corner, 2 * half, 2 * half, "round,pad=0.04", facecolor="white", edgecolor=colour)
        )

    def _prior(self) -> Patch:
        at = self.n * self.step + 0.8 * self.scale, 0.0
        self._text(at, "N(μ, σ²)" if self.config.prior == "learned" else "N(0, I)")
        return self._added(Circle(at, 0.28 * self.scale, visible=False))

    def _text(self, at: tuple[float, float], text: str) -> None:
        self.axes.text(*at, text, ha="center", va="center", fontsize=8 * self.scale, linespacing=1.1)

    def _added(self, patch: Patch) -> Patch:
        patch.set_linewidth(0.9 * self.scale)
        self.axes.add_patch(patch)
        return patch

    def _arrow(self, start: Patch, end: Patch, colour: str) -> None:
        middles = [patch.get_path().transformed(patch.get_patch_transform()).get_extents() for patch in (start, end)]
        ends = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in middles]
        self.axes.add_patch(
            FancyArrowPatch(
                *ends,
                patchA=start,
                patchB=end,
                color=colour,
                arrowstyle="-|>",
                mutation_scale=8 * self.scale,
                linewidth=self.scale,
            )
        )


def _below(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def _caption(models: Mapping[str, TrialConfig], sizes: Iterable[tuple[TrialConfig, int]]) -> Iterator[str]:
    yield "Stochastic layers (circles) and hidden layers (boxes) with their widths; x is the image."
    yield "q draws a sample of each latent given the one before, p scores them."
    if any(config.proposal == "factorised" for config in models.values()):
        yield "With a factorised proposal hidden layers feed the next ones, and no sample does."
    counts: dict[str, set[int]] = {}
    for config, n_parameters in sizes:
        counts.setdefault(_name(config), set()).add(n_parameters)
    if counts:
        yield f"Trained values: {'; '.join(f'{name} {span(count)}' for name, count in counts.items())}."
    if len(models) > _MAX_MODELS:
        yield f"The first {_MAX_MODELS} of {counted(len(models), 'model')}."
