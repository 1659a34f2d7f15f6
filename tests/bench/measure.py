"""`make bench`: the durable link, a ping, the kernels and COBS, each beside its peers in one run. Asserts nothing.

    python tests/bench/measure.py [--rounds 5] [--only link|ping|kernels|encoding|fleet] [--dir FOLDER] [--out FILE]

All contenders of a round run one after the other, round after round; a ratio is the median of the rounds' ratios, so
that it holds when the machine's speed drifts, and its spread is told. What each one does stands in its own file.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import encoding
import facts
import kernels
import link_mqtt
import link_nats
import link_ours
import link_zmq
import payload
import peers
import ping

PINGS = 2000


class Contender(NamedTuple):
    """Who carries the frames, how many of them, the ratio that ours is to reach (None: for information)."""

    name: str
    frames: int
    goal: float | None
    measure: Callable[[Path, int], dict[str, Any]]


OURS = Contender("journal, CURVE uplink, ingest", 16_000, None, link_ours.measure)
PEERS = (
    Contender("raw ZeroMQ CURVE, fdatasync x 2", 16_000, 0.5, link_zmq.measure),
    Contender("raw ZeroMQ CURVE, merged as ours", 16_000, None, lambda path, n: link_zmq.measure(path, n, merge=32)),
    Contender("raw ZeroMQ, no CURVE", 16_000, None, lambda path, n: link_zmq.measure(path, n, curve=False)),
    Contender("JetStream, sync_interval always", 2_000, 1.5, link_nats.measure),
    Contender("JetStream, default (2 min)", 8_000, None, lambda folder, n: link_nats.measure(folder, n, "")),
    Contender("Mosquitto QoS 1, persistence", 8_000, 6.0, link_mqtt.measure),
    Contender("Mosquitto, saved on changes", 400, None, lambda folder, n: link_mqtt.measure(folder, n, each=True)),
)


def link(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each contender of the durable link."""
    rates: dict[str, list[float]] = {}
    notes: dict[str, Any] = {}
    for number in range(rounds):
        for at, contender in enumerate((OURS, *PEERS)):
            if contender.name in notes and "missing" in notes[contender.name]:
                continue
            try:
                found = contender.measure(folder / f"{number}-{at}", contender.frames)
            except peers.MissingPeerError as error:
                notes[contender.name] = {"missing": str(error)}
                continue
            rates.setdefault(contender.name, []).append(found["frames"] * payload.SAMPLES / found["seconds"])
            notes[contender.name] = {key: found[key] for key in found if key not in ("frames", "seconds")}
            print(f"  round {number + 1}/{rounds} {contender.name:<34} {rates[contender.name][-1] / 1e6:7.3f} M/s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return [_row(contender, rates, notes) for contender in (OURS, *PEERS)]


def _row(contender: Contender, rates: dict[str, list[float]], notes: dict[str, Any]) -> dict[str, Any]:
    """Return medians; a ratio is ours / this one, round by round."""
    row = {"contender": contender.name, "goal": contender.goal, "frames": contender.frames, **notes[contender.name]}
    mine = rates.get(contender.name)
    if mine is None:
        return row
    ratios = [ours / other for ours, other in zip(rates[OURS.name], mine, strict=True)]
    return {
        **row, "samples_per_s": statistics.median(mine), "all_samples_per_s": mine,
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
    }  # fmt: skip


def pings(folder: Path, rounds: int) -> dict[str, Any]:
    """Return the median round trips in us of ours and of bare ZeroMQ, and their ratio (lower is better)."""
    pairs = [(ping.ours(folder / f"ping-{number}", PINGS), ping.bare(PINGS)) for number in range(rounds)]
    ratios = [ours / bare for ours, bare in pairs]
    return {
        "ours_us": statistics.median(ours for ours, _ in pairs),
        "bare_us": statistics.median(bare for _, bare in pairs),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios), "goal": 1.5,
    }  # fmt: skip


def fleet(folder: Path) -> dict[str, Any]:
    """Return the figures of 1,000 virtual boards, measured by a program of its own."""
    out = folder / "fleet.json"
    command = [sys.executable, "-m", "tests.bench.fleet", "--dir", str(folder), "--out", str(out)]
    subprocess.run(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, check=False)
    if not out.exists():
        raise RuntimeError(f"{' '.join(command)} failed; run it by itself to see why")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    machine = found["machine"]
    print(f"{machine['cores']} cores, load {machine['load_1min']:.1f}, {machine['file_system']}, fdatasync p50 "
          f"{machine['fdatasync_ms']:.3f} ms, Python {machine['python']}")  # fmt: skip
    for row in found.get("link", []):
        _show_link(row)
    if "ping" in found:
        p = found["ping"]
        print(f"ping p50 {p['ours_us']:.0f} us, bare ZeroMQ {p['bare_us']:.0f} us, ratio {p['ratio']:.2f} "
              f"({p['ratio_min']:.2f} to {p['ratio_max']:.2f}), goal at most {p['goal']}")  # fmt: skip
    for row in found.get("kernels", []):
        rates = f"{row['ours_per_s'] / 1e6:8.2f} M/s {row['peer_per_s'] / 1e6:8.2f} M/s"
        print(f"{row['work']:<22} {row['peer']:<24} {rates}  ratio {row['ratio']:7.3f}")
    for line in [*encoding.lines(found.get("encoding", [])), *found.get("fleet", {}).get("table", [])]:
        print(line)


def _show_link(row: dict[str, Any]) -> None:
    if "missing" in row:
        print(f"{row['contender']:<34} MISSING: {row['missing']}")
        return
    goal = f"goal {row['goal']}" if row["goal"] else ""
    spread = f"({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
    rate = f"{row['samples_per_s'] / 1e6:8.3f} M/s"
    print(f"{row['contender']:<34} {rate}  ours/this {row['ratio']:7.2f} {spread:<18} {goal}")


def versions() -> dict[str, str]:
    """Return what the peers say they are."""
    found = {}
    for name, ask in (("nats-server", link_nats.version), ("mosquitto", link_mqtt.version)):
        try:
            found[name] = ask()
        except peers.MissingPeerError as error:
            found[name] = f"missing: {error}"
    return found


def main() -> int:
    """Measure, print the tables, write the JSON. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure this system beside its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("link", "ping", "kernels", "encoding", "fleet"))
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="a folder on a disk; not a tmpfs")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    asked = parser.parse_args()
    parts: dict[str, Callable[[Path], Any]] = {
        "link": lambda folder: link(folder, asked.rounds),
        "ping": lambda folder: pings(folder, asked.rounds),
        "kernels": kernels.run,
        "encoding": encoding.run,
        "fleet": fleet,
    }
    try:
        facts.on_disk(asked.dir)
    except facts.MemoryDiskError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(dir=asked.dir, prefix="bench-") as name:
        folder = Path(name).absolute()
        found = {"machine": {**facts.machine(folder), "peers": versions()}}
        for part in (asked.only,) if asked.only else parts:
            found[part] = parts[part](folder)
    show(found)
    asked.out.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
