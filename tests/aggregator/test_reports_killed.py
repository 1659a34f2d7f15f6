"""What was acknowledged of a report outlasts the city, killed at any commit, and becomes one sample."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from aggregator.reports import rows
from aggregator.store.store import Store

from .test_reports import Town

ENTERED, CONFIRMED, REFUTED = 3, 1, 4


class Killed(BaseException):
    """Here the process ends."""


class Dying:
    """A store whose process ends at its `at`-th commit of a report or of its sample, `before` it or after."""

    def __init__(self, store: Store, at: int, before: bool) -> None:
        self._store, self._at, self._before, self.commits = store, at, before, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def work(self, work: Any) -> None:
        """A report, or a verdict."""
        await self._one(lambda: self._store.work(work))

    async def commit(self, writes: Any) -> None:
        """A turn's; it counts if there is a sample of a report in it."""
        if any(frame.thing == "people" for frame in writes.group.frames):
            await self._one(lambda: self._store.commit(writes))
        else:
            await self._store.commit(writes)

    async def _one(self, work: Any) -> None:
        self.commits += 1
        if self._before and self.commits == self._at:
            raise Killed
        await work()
        if self.commits == self._at:
            raise Killed


class Story:
    """A person reports, ann confirms; what both were told before the city died."""

    def __init__(self) -> None:
        self.number = self.verdict = ""

    async def tell(self, town: Town) -> None:
        answer = await town.report()
        assert answer.status_code == 201
        self.number = answer.json()[0]["service_request_id"]
        assert (await town.ask("POST", f"/requests/{self.number}/confirm", "ann", json={})).status_code == 200
        self.verdict = "confirmed"


def live(kit: Any, folder: Path, at: int, before: bool) -> tuple[Story, bool]:
    """Return what was told, and whether the city was killed; then its disk is in `left`."""
    story, store = Story(), Store(folder / "city")
    town = Town(kit, Dying(store, at, before), {})  # type: ignore[arg-type]
    try:
        asyncio.run(story.tell(town))
    except Killed:
        shutil.copytree(folder / "city", folder / "left")
        return story, True
    finally:
        store.close()
    return story, False


async def settle(town: Town) -> None:
    for _ in range(4):
        await town.turns.turn([])


def qualities(town: Town) -> list[int]:
    return sorted(quality for _, _, quality in town.seen())


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_each_commit(kit: Any, tmp_path: Path, before: bool) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        story, killed = live(kit, tmp_path / str(at), at, before)
        if killed:
            check(kit, Store(tmp_path / f"{at}/left"), story)
    assert at - 1 == 4, "a report, its sample, a verdict, its sample"


def check(kit: Any, store: Store, story: Story) -> None:
    town = Town(kit, store, {})
    asyncio.run(settle(town))
    kept = town.store.committer.read(lambda connection: rows.newest(connection, rows.Filter(), 9))
    assert not story.number or [report.id for report in kept] == [story.number], "acknowledged, and lost"
    assert len(kept) <= 1 and (not story.verdict or kept[0].verdict == story.verdict)
    expected = [ENTERED] * len(kept) + [CONFIRMED for report in kept if report.verdict]
    assert qualities(town) == sorted(expected), "each report and verdict is a sample, once"
    for report in kept:
        again = asyncio.run(town.ask("POST", f"/requests/{report.id}/refute", "ann", json={}))
        assert again.status_code == (409 if report.verdict else 200), "judged once"
        assert qualities(town) == sorted([*expected, *([] if report.verdict else [REFUTED])])
    assert [row["unexplained"] for row in town.ledger()] == [0] * bool(kept)
    store.close()
