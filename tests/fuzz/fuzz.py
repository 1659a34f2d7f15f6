"""Fuzzes what reads other people's bytes; what `make fuzz` calls. Exit code 0: no finding, 1: a finding, 2: usage.

Each target runs in a process of its own under limits on time and memory. What it learns stays in `.fuzz/`, so the
next run goes on from there; `--keep` puts the smallest set with the same coverage into the committed corpus.
"""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import seeds

HERE = Path(__file__).parent
STATE = seeds.ROOT / ".fuzz"
TARGETS = list(seeds.FIRST)
SHARE = {"board_to_host": 0.5, "board_commands": 0.5, "config": 0.02}
"""Part of RUNS that a slow target gets: two decoders byte by byte; TOML and its schemas."""
LIMITS = ["-timeout=5", "-rss_limit_mb=1024", "-malloc_limit_mb=256", "-print_final_stats=1"]
KEEP_BYTES = 160_000
Step = tuple[str, int, int]


@dataclass(frozen=True)
class Outcome:
    """What one target did. `finished` False: it was stopped from outside, and found nothing until then."""

    target: str
    executions: int
    per_second: int
    peak_mb: int
    finding: Path | None
    finished: bool = True


def run(target: str, runs: int, seed: int) -> Outcome:
    """Fuzz one target; the log is in `.fuzz/TARGET.log`."""
    corpus, found = STATE / target, STATE / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for number, data in enumerate(seeds.seeds(target)):
        (corpus / f"seed-{number}").write_bytes(data)
    prefix = found / f"{target}-"
    before = set(found.iterdir())
    log = STATE / f"{target}.log"
    flags = [*LIMITS, f"-runs={runs}", f"-artifact_prefix={prefix}", *([f"-seed={seed}"] if seed else [])]
    with log.open("wb") as out:
        command = [sys.executable, str(HERE / "one_target.py"), target, str(corpus), *flags]
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False, cwd=seeds.ROOT).returncode
    new = sorted(set(found.iterdir()) - before)
    said = log.read_text(errors="replace")
    stopped = "libFuzzer: run interrupted" in said
    return Outcome(
        target,
        _figure(said, "number_of_executed_units"),
        _figure(said, "average_exec_per_sec"),
        _figure(said, "peak_rss_mb"),
        new[0] if new else (log if code and not stopped else None),
        not stopped,
    )


def _figure(log: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", log)
    return int(found[1]) if found else 0


def keep(target: str) -> None:
    """Write the inputs that, shortest first, each reach a new step of our code to the corpus, as room allows."""
    import targets  # noqa: PLC0415 - one_target.py imports it under instrumentation, this does not

    found = {path.read_bytes() for path in (STATE / target).iterdir()} | set(seeds.kept(target))
    inputs = sorted(found, key=lambda data: (len(data), data))
    seen: set[Step] = set()
    lines, room = [], KEEP_BYTES // len(TARGETS)
    for data in inputs:
        steps = _steps(targets.TARGETS[target], data)
        if steps <= seen or room < 2 * len(data) + 1:
            continue
        seen |= steps
        room -= 2 * len(data) + 1
        lines.append(data.hex() + "\n")
    seeds.CORPUS.mkdir(exist_ok=True)
    (seeds.CORPUS / f"{target}.hex").write_text("".join(lines))
    print(f"{target}: kept {len(lines)} of {len(inputs)} inputs")


def _steps(target: Callable[[bytes], None], data: bytes) -> set[Step]:
    """Return (file, line, next line) of our code that an input runs through."""
    steps: set[Step] = set()

    def on_call(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        if not frame.f_code.co_filename.startswith(str(seeds.ROOT)):
            return None
        last = frame.f_lineno

        def on_line(inner: FrameType, event: str, _: object) -> Callable[..., object]:
            nonlocal last
            steps.add((inner.f_code.co_filename, last, inner.f_lineno))
            last = inner.f_lineno
            return on_line

        return on_line

    sys.settrace(on_call)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return steps


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=["all", *TARGETS], default="all")
    parser.add_argument("--runs", type=int, default=200_000, help="inputs for each target (default 200000)")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer's choices; 0: another each time")
    parser.add_argument("--keep", action="store_true", help="write the corpus instead of fuzzing")
    parser.add_argument("--replay", type=Path, help="run the target on this one file")
    options = parser.parse_args()
    chosen = TARGETS if options.target == "all" else [options.target]
    if options.replay:
        command = [sys.executable, str(HERE / "one_target.py"), chosen[0], str(options.replay)]
        return subprocess.run(command, check=False, cwd=seeds.ROOT).returncode
    if options.keep:
        for target in chosen:
            keep(target)
        return 0
    outcomes = [_told(run(t, max(1, int(options.runs * SHARE.get(t, 1))), options.seed)) for t in chosen]
    print(f"total {sum(outcome.executions for outcome in outcomes)} inputs, ", end="")
    print(f"{sum(outcome.finding is not None for outcome in outcomes)} findings")
    return int(any(outcome.finding or not outcome.finished for outcome in outcomes))


def _told(outcome: Outcome) -> Outcome:
    print(
        f"{outcome.target}: {outcome.executions} inputs, {outcome.per_second} a second, "
        f"peak {outcome.peak_mb} MB, {'FINDING' if outcome.finding else 'no finding'}"
        f"{'' if outcome.finished else ', interrupted'}",
        flush=True,
    )
    if outcome.finding:
        replay = f"--target {outcome.target} --replay {shlex.quote(str(outcome.finding))}"
        print(f"  log: {STATE / outcome.target}.log\n  reproduce: python tests/fuzz/fuzz.py {replay}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
