"""What a person sees while a run goes on: a live screen on a terminal, plain lines elsewhere."""

from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cityreflex.demo.report import COUNTS, Plan
from cityreflex.demo.watch import Record

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-=+*#@"
PLAIN_EVERY = 5
IF_LEFT_ALONE = ("level_if_left", "exceedance_if_left")


class View(Protocol):
    """Shows a record now and then."""

    def show(self, title: str, plan: Plan, record: Record) -> None:
        """Show the state of a run."""

    def say(self, text: str) -> None:
        """Say one line."""

    def __enter__(self) -> Self:
        """Start to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""


def make_view(console: Console) -> View:
    """Return the live screen on a terminal, plain lines elsewhere."""
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else PlainView(console)


def progress(plan: Plan, record: Record) -> float:
    """Return the share of the window that has been played, 0 to 1."""
    if not record.truth:
        return 0.0
    played = record.truth[-1]["utc_us"] - plan.start_utc_us
    return float(min(1.0, max(0.0, played / (plan.end_utc_us - plan.start_utc_us))))


def spark(values: Iterable[float], width: int, blocks: str = BLOCKS, top: float = 0.0) -> str:
    """Return the values as at most `width` block characters, from 0 to `top` or their greatest if that is more."""
    kept = list(values)
    step = max(1, -(-len(kept) // width))
    kept = [max(kept[i : i + step]) for i in range(0, len(kept), step)]
    span = max([top, *kept]) or 1.0
    return "".join(blocks[min(len(blocks) - 1, max(0, int(v / span * len(blocks))))] for v in kept)


def forecast_text(record: Record) -> str:
    """Return `1.23 m in 3 h (1.10 to 1.40), 12 % to exceed by then`; what is, not what is proposed, if nobody acts."""
    for row in record.estimates:
        found = {estimate["name"]: estimate for estimate in row["estimates"]}
        level, risk = ("level_forecast", "exceedance_probability") if row["mode"] == "act" else IF_LEFT_ALONE
        if level in found and risk in found:
            ahead = found[level]
            hours = (ahead["valid_utc_us"] - row["step_utc_us"]) / 3.6e9
            return (
                f"{ahead['mean']:.2f} m in {hours:.0f} h ({ahead['q05']:.2f} to {ahead['q95']:.2f}), "
                f"{100 * found[risk]['mean']:.0f} % to exceed by then"
            )
    return "no forecast yet"


class PlainView:
    """One line every few looks: for logs, pipes and plain terminals."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._looks = 0

    def __enter__(self) -> Self:
        """Return this view."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back."""

    def show(self, title: str, plan: Plan, record: Record) -> None:
        """Print a line, every fifth time."""
        self._looks += 1
        if self._looks % PLAIN_EVERY != 1 or not record.truth:
            return
        now, totals = record.truth[-1], record.ledger.get("totals", {})
        self.say(
            f"{title} {100 * progress(plan, record):3.0f} % {_clock(now['utc_us'])} rain {now['rain_mm_h']:.1f} mm/h "
            f"level {now['level_m']:.2f} m gate {now['gate_opening']:.2f} forecast {forecast_text(record)} "
            f"stored {totals.get('stored', 0)} unexplained {totals.get('unexplained', 0)}"
        )

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)


class LiveView:
    """A screen that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._blocks = BLOCKS if "utf" in (console.encoding or "").lower() else ASCII_BLOCKS
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Start the screen."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the screen; what was said stays."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print one line above the screen."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def show(self, title: str, plan: Plan, record: Record) -> None:
        """Redraw."""
        self._live.update(self._screen(title, plan, record), refresh=True)

    def _screen(self, title: str, plan: Plan, record: Record) -> Panel:
        when = _clock(record.truth[-1]["utc_us"]) if record.truth else "starting"
        parts: list[Any] = [
            _bar(progress(plan, record)),
            self._curves(plan, record),
            _hops(record),
            _ledger(record),
        ]
        parts += [Text(f"! {row['text']}") for row in record.status.get("incidents", [])]
        return Panel(Group(*parts), title=f"{title}  {when}", title_align="left")

    def _curves(self, plan: Plan, record: Record) -> Table:
        width = max(10, self._console.width - 34)
        table = Table.grid(padding=(0, 1))
        rows = (
            ("rain", "rain_mm_h", "{:.1f} mm/h", 0.0),
            ("level", "level_m", "{:.2f} m", plan.threshold_m),
            ("gate", "gate_opening", "{:.2f}", 1.0),
        )
        for label, key, shape, top in rows:
            values = [row[key] for row in record.truth]
            now = shape.format(values[-1]) if values else "-"
            table.add_row(label, now, spark(values, width, self._blocks, top))
        over = record.peak_m() or 0.0
        table.add_row("peak", f"{over:.2f} m", f"threshold {plan.threshold_m:.2f} m")
        table.add_row("forecast", "", forecast_text(record))
        table.add_row("tasks", str(len(record.tasks)), _last_task(record))
        return table


def _bar(share: float) -> Table:
    """Return a progress bar on a line of its own; alone in a group it would swallow the next line."""
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(ratio=1)
    line.add_row(ProgressBar(total=1.0, completed=share), f"{100 * share:3.0f} %")
    return line


def _clock(utc_us: int) -> str:
    return datetime.fromtimestamp(utc_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _last_task(record: Record) -> str:
    if not record.tasks:
        return ""
    task = record.tasks[0]
    return f"last: {task['actuator']} to {task['setpoint']:.2f}, {task['state']}, by {task['requester']}"


def _hops(record: Record) -> Table:
    """Return the hops in two columns of name, p50, p99, to fit 80 characters."""
    table = Table.grid(padding=(0, 1))
    rows = [(hop, f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}") for hop, row in record.latency.items()]
    half = -(-len(rows) // 2)
    head = ("ms by hop", "p50", "p99")
    table.add_row(*head, "  ", *(head if half else ("", "", "")))
    for index in range(half):
        right = rows[half + index] if half + index < len(rows) else ("", "", "")
        table.add_row(*rows[index], "  ", *right)
    return table


def _ledger(record: Record) -> Text:
    """Return the balance on two lines, to fit 80 characters."""
    totals = record.ledger.get("totals", {})
    words = [f"{totals.get(name, 0):,} {name.replace('_', ' ')}" for name in COUNTS]
    return Text("ledger  " + "  ".join(words[:3]) + "\n        " + "  ".join(words[3:]))
