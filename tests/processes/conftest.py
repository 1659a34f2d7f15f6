"""A toy process whose estimates tell what it has seen, and an engine's feed."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from processes.engine import Engine
from processes.instance import Instance, make_instance

S = 1_000_000
T0 = 1_700_000_000 * S

TOY = """
import numpy as np
from pydantic import BaseModel
from processes.contract import Alarm, Estimate, Outcome, Port, Proposal

class Site(BaseModel):
    limit: float = 5.0
    explode_at: float = 1e9

PORTS = {
    "x": Port("air_temperature", "Cel", "sense", True),
    "out": Port("valve", "1", "respond", False),
}

def start(site, seed):
    return {"sum": np.zeros(1), "hash": np.zeros(1, np.int64)}

def step(site, state, now_utc_us, seen):
    x = seen["x"]
    if (x.value >= site.explode_at).any():
        raise ValueError("x is too much")
    total = state["sum"] * 0.9 + x.value.sum()
    digest = state["hash"].copy()
    for t, v in zip(x.t_utc_us.tolist(), x.value.tolist()):
        digest = (digest * 31 + t + int(v)) % 1_000_003
    mean = float(total[0])
    hot = mean > site.limit
    return Outcome(
        {"sum": total, "hash": digest},
        (
            Estimate("sum", now_utc_us, mean, 0.0, mean, mean),
            Estimate("hash", now_utc_us, float(digest[0]), 0, 0, 0),
        ),
        (Alarm("hot", 2, 1.0),) if hot else (),
        (Proposal("out", 1.0 if hot else 0.0, 1000, "toy"),),
    )
"""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("templates")
    (folder / "toy").mkdir()
    (folder / "toy" / "process.py").write_text(textwrap.dedent(TOY))
    return folder


def toy(templates: Path, name: str = "toy1", **changes: object) -> Instance:
    data = {
        "template": "toy",
        "every_s": 10,
        "lateness_s": 600,
        "senses": {"x": ["a/x", "b/x"]},
        "responds": {"out": {"actuator": "v/out"}},
    }
    return make_instance(name, {**data, **changes}, [templates])


def tell(engine: Engine, t_s: list[float], value: list[float], stream: str = "a/x") -> None:
    n = len(t_s)
    times = [T0 + round(t * S) for t in t_s]
    engine.arrive(stream, times, value, np.full(n, 0.1), np.ones(n), cause=("a", "boot", 7))

