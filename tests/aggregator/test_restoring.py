"""A live restore that goes wrong at any step, in any way, ends as failed, and the old store goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregator.backup import restoring, swap
from aggregator.backup import taking as backup
from aggregator.backup.restoring import ENDING, Restoring, telling
from aggregator.store.store import Store, Writes

STEPS = ("swap.read", "swap.stage", "rehearse", "swap.arm")
ERRORS = (RuntimeError("odd"), MemoryError(), ValueError("no such value"), KeyError("k"), OSError(28, "No space left"))


@pytest.fixture
def saved(store: Store, tmp_path: Path) -> Path:
    asyncio.run(store.commit(Writes(frozen=b"x")))
    backup.take(backup.Source("city", store.folder, {}), tmp_path / "saved", 1_800_000_000)
    return tmp_path / "saved"


def run(folder: Path, saved: Path, change_over: Any, rehearse: Callable[[Path], None] = lambda copy: None) -> dict:
    """The row of /restore once it is over."""

    async def go() -> dict[str, Any]:
        one = Restoring(folder, change_over, asyncio.Lock(), rehearse)
        assert one.begin(saved)
        async with asyncio.timeout(20):
            await one._task  # type: ignore[misc]
        assert one.begin(saved), "another may begin"
        one._task.cancel()  # type: ignore[union-attr]
        return one.row()

    return asyncio.run(go())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_error_before_the_change_over_leaves_the_old_store(
    store: Store, saved: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    if step != "rehearse":
        monkeypatch.setattr(restoring.swap, step.removeprefix("swap."), fail)
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(Restoring, "_failed", watched(seen, Restoring._failed))
    run(store.folder, saved, never, fail if step == "rehearse" else lambda copy: None)
    assert seen[0]["state"] == "failed" and seen[0]["kind"] != ENDING
    assert type(error).__name__ in seen[0]["error"]
    assert not (store.folder / swap.READY).exists(), "the next start must not complete it"
    assert swap.finish(store.folder) is None
    asyncio.run(store.commit(Writes(frozen=b"y")))


async def never() -> Path | None:
    raise AssertionError("nothing is changed over")


def watched(seen: list[dict[str, Any]], failed: Callable[..., None]) -> Callable[..., None]:
    def and_note(self: Restoring, error: Exception) -> None:
        failed(self, error)
        seen.append(self.row())

    return and_note


def test_a_copy_that_cannot_be_opened_is_never_armed(store: Store, saved: Path) -> None:
    tried: list[bool] = []

    def rehearse(copy: Path) -> None:
        tried.append((copy / "store.db").exists())
        Store(copy).close()
        raise RuntimeError("a process of this backup does not start")

    run(store.folder, saved, never, rehearse)
    assert tried[0] and not (store.folder / swap.READY).exists()


def test_an_armed_copy_whose_name_was_not_synced_is_forgotten(
    store: Store, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = swap.arm

    def arm_then_fail(*words: Any) -> int:
        real(*words)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(restoring.swap, "arm", arm_then_fail)
    run(store.folder, saved, never)
    assert swap.finish(store.folder) is None


def test_a_live_restore_is_above_every_epoch_that_an_edge_knows(store: Store, saved: Path) -> None:
    async def go() -> int:
        changed: list[int] = []

        async def change_over() -> Path | None:
            changed.append(one.epoch)
            return None

        one = Restoring(store.folder, change_over, asyncio.Lock(), lambda copy: None, lambda: 2_700_000_000)
        one.begin(saved)
        await one._task  # type: ignore[misc]
        assert one.state == "done", one.error
        return changed[0]

    assert asyncio.run(go()) == 2_700_000_001


def test_a_change_over_that_fails_tells_and_ends_the_city(
    store: Store, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(Restoring, "_failed", watched(seen, Restoring._failed))

    async def change_over() -> Path | None:
        changed: asyncio.Future[Path | None] = asyncio.get_running_loop().create_future()
        with pytest.raises(ZeroDivisionError), telling(changed):
            raise ZeroDivisionError("a bug")
        return await changed

    run(store.folder, saved, change_over)
    assert (seen[0]["state"], seen[0]["kind"], seen[0]["error"]) == ("failed", ENDING, "ZeroDivisionError: a bug")
    store.close()
    assert swap.finish(store.folder) is not None, "the next start completes it"
