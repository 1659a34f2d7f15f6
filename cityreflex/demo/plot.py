"""The picture of a demonstration: rain, level with and without control, forecast band, gate."""

from pathlib import Path
from typing import Any

from cityreflex.demo.report import Plan
from cityreflex.demo.watch import Record

HOUR_US = 3.6e9
BLUE, GREY, RED = "#1f5fa8", "#8a8a8a", "#b3261e"


def save(path: Path, plan: Plan, alone: Record, control: Record) -> None:
    """Write the plot; its kind follows the file's ending (png, svg, pdf). Raises: OSError, ValueError."""
    import matplotlib  # noqa: PLC0415 (half a second to import; only --plot pays)

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (rain, level, gate) = pyplot.subplots(
        3, 1, sharex=True, figsize=(10, 7.5), height_ratios=(1, 3, 1), layout="constrained"
    )
    _draw_rain(rain, plan, control)
    _draw_level(level, plan, alone, control)
    gate.step(*_series(plan, alone, "gate_opening"), color=GREY, where="post", label="left alone")
    gate.step(*_series(plan, control, "gate_opening"), color=BLUE, where="post", label="under control")
    gate.set(ylabel="gate opening", ylim=(-0.03, 1.03), xlabel="hours of the storm")
    for axes in (rain, level, gate):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)
    pyplot.close(figure)


def _hours(plan: Plan, utc_us: float) -> float:
    return (utc_us - plan.start_utc_us) / HOUR_US


def _series(plan: Plan, record: Record, key: str) -> tuple[list[float], list[float]]:
    rows = [row for row in record.truth if key in row]
    return [_hours(plan, row["utc_us"]) for row in rows], [row[key] for row in rows]


def _draw_rain(axes: Any, plan: Plan, control: Record) -> None:
    hours, rain = _series(plan, control, "rain_mm_h")
    axes.fill_between(hours, rain, step="post", color=BLUE, alpha=0.35, linewidth=0)
    axes.set(ylabel="rain mm/h", ylim=(0, None))
    axes.set_title(f"{plan.rain or 'synthetic storm'}, seed {plan.seed}, {plan.speed:g} x real time", fontsize=10)


def _draw_level(axes: Any, plan: Plan, alone: Record, control: Record) -> None:
    axes.plot(*_series(plan, alone, "level_m"), color=GREY, label="level, gate left alone")
    axes.plot(*_series(plan, control, "level_m"), color=BLUE, label="level, gate under control")
    bands = sorted(control.forecasts.values(), key=lambda row: row["valid_utc_us"])
    hours = [_hours(plan, row["valid_utc_us"]) for row in bands]
    low, high = [row["q05"] for row in bands], [row["q95"] for row in bands]
    axes.fill_between(hours, low, high, color=BLUE, alpha=0.18, linewidth=0, label="forecast for that time, 5-95 %")
    axes.axhline(plan.threshold_m, color=RED, linewidth=1, linestyle="--", label="threshold")
    axes.set(ylabel="level m", xlim=(0, _hours(plan, plan.end_utc_us)))
    axes.legend(frameon=False, fontsize=9, loc="best")
