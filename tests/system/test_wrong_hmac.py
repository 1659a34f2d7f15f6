"""Commands under another board's key: the real firmware on the real VM counts them, the node audits and shows them."""

import json
from pathlib import Path

import pytest
from running_city import RunningCity

from service import audit

pytestmark = pytest.mark.system


def test_a_command_with_a_wrong_hmac_moves_nothing_and_is_told(tmp_path: Path) -> None:
    with RunningCity(tmp_path / "run", "--speed", "480", "--seed", "7", "--start-in", "4") as city:
        city.start("sim")
        city.until((city.folder / "faults.sock").exists, "the simulator is up")
        keys = city.folder / "keys"
        (keys / "gate-1.key").write_bytes((keys / "mast-1.key").read_bytes())
        city.start("edge")

        def refused() -> dict:
            rows = city.status().get("refusals", [])
            return next((row for row in rows if (row["reason"], row["who"]) == ("board_unsigned", "gate-1")), {})

        row = city.until(refused, "the gate's board refuses the edge's commands", 100)
        assert row["where"] == "edge-1" and row["count"] >= 1 and "wrong HMAC" in row["text"]
        (board,) = [b for b in city.edge_page("health")["boards"] if b["thing"] == "gate-1"]
        assert board["counters"]["board"]["unsigned"] >= row["count"]
        found = lambda: [r for r in audit.read(city.folder / "edge") if r.get("reason") == "board_unsigned"]  # noqa: E731
        (line, *_) = city.until(found, "the node's audit log has it")
        assert (line["who"], line["event"]) == ("gate-1", "refused")
        assert city.gate() == pytest.approx(0.2, abs=0.03), "the gate stays where it is safe"
        told = [json.dumps(row) for row in audit.read(city.folder / "edge")]
        logs = "\n".join([*told, *(path.read_text(errors="replace") for path in (city.folder / "logs").glob("*.log"))])
        for path in [*keys.glob("*.key"), *keys.glob("*.secret")]:
            secret = path.read_bytes()
            forms = [secret.hex(), repr(secret)[2:-1], secret.decode("latin-1")]
            assert not [form for form in forms if form in logs], path.name
