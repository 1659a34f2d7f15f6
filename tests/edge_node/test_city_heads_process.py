"""A real city and a real node: the city's audit log is rolled back with all its heads, and its node finds it out."""

import shutil
from collections.abc import Iterator

import pytest

from cityreflex import exits
from service.audit import FILE
from service.audit_heads import PRIVATE

from .key_town import Town, a_town, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

MORE = 20  # lines: more than a start of the city and its first words with a node write


@pytest.fixture
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with a_town(tmp_path_factory.mktemp("t")) as made:
        yield made


def kept(town: Town) -> int:
    """How many lines the city's log had at least, as the node knows."""
    rows = town.get("audit/heads", "edge")
    return int(rows[-1]["n"]) if rows else 0


def test_a_city_that_was_rolled_back_is_found_by_its_node(town: Town) -> None:
    town.start("aggregator")
    town.enrol_edge()
    town.stop("aggregator")
    copy = town.folder / "older"
    shutil.copytree(town.folder / "city", copy, ignore=shutil.ignore_patterns("*.sock"))
    lines = len((copy / FILE).read_text().splitlines())
    town.start("aggregator")
    for at in range(MORE):  # what its owner wants forgotten
        town.city("keys", "enroll", f"edge-{at + 2}", "--config", "aggregator.toml")
    town.stop("aggregator")
    town.start("aggregator")  # a log that has lines at the start has a head at once, not after a minute
    town.start("edge")
    until(lambda: kept(town) >= lines + MORE, "the node keeps a head")
    until(lambda: town.get("audit/heads"), "the city knows what its node keeps")
    assert "were not asked" not in town.city("audit", "verify", "--dir", ".")
    assert town.get("audit")["ok"] and town.get("audit")["witnessed"]

    town.stop("aggregator")
    shutil.rmtree(town.folder / "city")
    shutil.move(copy, town.folder / "city")
    town.start("aggregator")
    problem = lambda: town.get("health", "edge")["audit"]["city"]["problem"]  # noqa: E731
    until(lambda: "rolled back" in problem(), "the node says so")
    said = lambda: "".join(town.get("health")["reasons"])  # noqa: E731
    until(lambda: "edge-1 says of the city's log" in said(), "the city says so")
    assert "rolled back" in town.status_text()
    found = town.city("audit", "verify", "--dir", ".", code=exits.UNVERIFIED)
    assert "and now ends with line" in found and "told by edge-1" in found
    assert (town.folder / "edge" / PRIVATE / "city" / "heads.jsonl").exists()
