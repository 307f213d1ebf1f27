"""A plan, as `plan.plan_of` makes it, on stdout."""

from collections.abc import Mapping
from typing import Any

from tmc_sweep.cli.show import print_rows, show_json
from tmc_sweep.cli.terminal import show
from tmc_sweep.statistics.labels import telling_fields
from tmc_sweep.text import counted, duration

_KNOWN = ("epoch_seconds", "peak_memory_mib", "gpu")  # columns that are shown where something is


def show_plan(plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the plan: a row per cell, then lines about time, memory and cost."""
    if as_json:
        show_json(plan)
        return
    cells = [{**cell, "peak_memory_mib": _mib(cell["peak_memory_bytes"])} for cell in plan["cells"]]
    columns = [*telling_fields(cells), "epochs", "n_parameters", "n_seeds", "n_to_train", "epochs_left", *_KNOWN]
    if cells:
        print_rows(_head(plan), columns, cells, _KNOWN)
    else:
        show(_head(plan))
    if plan["time"]["epochs_left"]:
        show(_time_line(plan["time"]))
    if n_too_large := plan["n_cells_too_large"]:
        show(
            f"a pack must fit into this machine's memory, but those of {counted(n_too_large, 'cell')} do not: "
            "lower K, batch_size or resources.pack, or train on a machine with more"
        )
    if plan["cost"]:
        show(_cost_line(plan["cost"]))


def _mib(n_bytes: int | None) -> int | None:
    return n_bytes and round(n_bytes / 2**20)


def _head(plan: Mapping[str, Any]) -> str:
    trials, cells = counted(plan["n_trials"], "trial"), counted(plan["n_cells"], "cell")
    head = f"{plan['name']}: {trials} in {cells}, {plan['n_to_train']} to train"
    head += f" ({plan['n_begun']} of them begun)" if plan["n_begun"] else ""
    to_choose = plan["n_cells_to_choose"]
    head += f", {counted(to_choose, 'more cell')} to choose" if to_choose else ""
    return head + (f"{',' if to_choose else ''} in {counted(plan['n_packs'], 'pack')}" if plan["n_packs"] else "")


def _time_line(time: Mapping[str, Any]) -> str:
    """A line about how long what is left should take, and on what that estimate rests."""
    left = f"{counted(time['epochs_left'], 'epoch')} left"
    left += f", unless {time['scheduler']} stops some" if time["scheduler"] else ""
    if time["wall_seconds"] is None:
        return (
            f"{left}: how long they take is unknown, no epoch of this sweep is measured yet; "
            "on this machine --probe measures steps"
        )
    wall, hours = time["wall_seconds"], time["trainer_hours"]
    ends = "" if wall["low"] is None else f" ({duration(wall['low'])} to {duration(wall['high'])})"
    guess = f"; {time['unmeasured_epochs']} of them in cells not measured yet, taken to be as the others"
    slots = counted(time["slots"], "slot")
    return (
        f"{left}: about {duration(wall['about'])}{ends} on {slots}, {hours['about']:.3g} trainer-hours, "
        f"as measured on {', '.join(time['measured_on'])}{guess if time['unmeasured_epochs'] else ''}"
    )


def _cost_line(cost: Mapping[str, Any]) -> str:
    """A line about what the machines cost until then."""
    whole = _span(cost["low"], cost["high"])
    hour = _span(cost["hour_low"], cost["hour_high"])
    currency = f" {cost['currency']}" if cost["currency"] else ""
    return f"cost: {whole}{currency} at {hour} an hour, from the first pack to the last"


def _span(low: float, high: float) -> str:
    ends = dict.fromkeys((f"{low:.3g}", f"{high:.3g}"))
    return " to ".join(ends)
