"""A node signs what its own processes ask, with a key of its own that follows its link key and reaches no further."""

import stat
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from zmq.utils import z85

from edge_node.keys.node_keys import NodeKeys
from edge_node.keys.reflex import ReflexKey, forget, reflex_key
from edge_node.keys.side import KeySide, read_pair
from edge_node.reaction.guard import DoTask, Guard, Save
from edge_node.reaction.task_entry import from_bytes
from protocol import city_link as cl
from protocol import task_codes as codes
from protocol import tasks
from service.audit import AuditLog
from service.errors import KeyFileError

from .scripted_board import river_manifest
from .test_city_epoch import Edge, edge, hello  # noqa: F401 (a fixture)
from .test_guard import GATE, MS, NOW, PUBLIC, leased, reported, task_for

KEY = ReflexKey(*reversed(tasks.new_keys()))


@pytest.fixture
def guard() -> Guard:
    made = Guard("edge-1", "0badcafe-3", PUBLIC, first_fence=100, reflex=KEY)
    made.announce(river_manifest())
    made.board("river-1", codes.OK)
    return made


def ask(guard: Guard, now_us: int = NOW, **changes: Any) -> tasks.Task:
    """A task of a process here, under a lease of the node's own."""
    return task_for(guard, leased(guard, "edge", now_us), not_after_us=now_us + 2_000_000, **changes)


def test_what_a_process_asks_is_signed_and_told_with_its_signature(guard: Guard) -> None:
    task = ask(guard)
    (save,) = guard.request("edge", task, NOW)
    assert isinstance(save, Save) and save.intent
    effects = guard.intent_saved(task.task_id, NOW)
    assert any(isinstance(effect, DoTask) for effect in effects)
    report = reported(effects)
    assert tasks.verify_reflex(KEY.public, report.task, report.signature)
    assert not tasks.verify(KEY.public, report.task, report.signature), "as no order of a city could be"
    signatures = [cl.decode(cl.encode(report, proto)).signature for proto in (2, 1)]  # type: ignore[union-attr]
    assert signatures == [report.signature, b""]


def test_the_signature_lasts_as_long_as_the_task_is_kept(guard: Guard) -> None:
    task = ask(guard)
    guard.request("edge", task, NOW)
    entry = guard.entries[task.task_id]
    assert entry.table == "orders", "0.1.0 reads no signature"
    again = from_bytes(entry.to_bytes())
    assert again.signature == entry.signature and again.report().signature == entry.signature
    guard.reflex = None
    other = ask(guard, step=2)
    guard.request("edge", other, NOW)
    plain = guard.entries[other.task_id]
    assert (plain.table, plain.signature, from_bytes(plain.to_bytes()).signature) == ("tasks", b"", b"")


@pytest.mark.parametrize("how", ["none", "another key", "other bytes", "as a city signs"])
def test_what_is_not_signed_by_the_node_is_refused_and_leaves_no_trace(guard: Guard, how: str) -> None:
    payload = tasks.encode(ask(guard))
    signature = {
        "none": b"", "another key": tasks.sign_reflex(tasks.new_keys()[0], payload),
        "other bytes": KEY.sign(payload + b"x"), "as a city signs": tasks.sign(KEY.private, payload),
    }[how]  # fmt: skip
    assert guard.own("edge", signature, payload, NOW) == []
    assert guard.refused == {"unsigned": 1} and not guard.entries
    (save,) = guard.own("edge", KEY.sign(payload), payload, NOW)
    assert isinstance(save, Save) and save.intent


def test_a_reflex_is_no_order_of_the_city(guard: Guard) -> None:
    payload = tasks.encode(ask(guard))
    (report,) = guard.order(KEY.sign(payload), payload, NOW)
    assert isinstance(report, cl.TaskReport) and report.code == codes.UNSIGNED and not guard.entries


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (codes.NO_ACTUATOR, {"actuator": "river-2/opening"}), (codes.FOREIGN, {"edge": "edge-2"}),
        (codes.UNAUTHORISED, {"approved": ["anna", "ben"]}), (codes.UNAUTHORISED, {"person": "anna"}),
        (codes.UNAUTHORISED, {"rank": "operator", "person": "anna"}),
        (codes.UNAUTHORISED, {"verb": tasks.TRIP}), (codes.OUT_OF_RANGE, {"setpoint": 1.01}),
        (codes.UNAUTHORISED, {"verb": tasks.RESET, "rank": "operator", "person": "anna"}),
    ],
)  # fmt: skip
def test_a_genuine_reflex_is_limited_to_the_nodes_own_actuators(guard: Guard, code: int, changes: Any) -> None:
    effects = guard.request("edge", replace(ask(guard), **changes), NOW)
    report = reported(effects)
    assert (report.state, report.code) == (codes.REFUSED, code) and guard.refused == {codes.CODES[code]: 1}
    assert not any(isinstance(effect, Save) and effect.intent for effect in effects)


def test_a_reflex_cancels_nothing(guard: Guard) -> None:
    task = ask(guard)
    guard.request("edge", task, NOW)
    guard.intent_saved(task.task_id, NOW)
    assert guard.request("edge", replace(task, verb=tasks.CANCEL), NOW) == []
    assert guard.refused == {"unauthorised": 1} and guard.actuators[GATE].active is not None


def test_the_audit_log_hears_of_each_move_with_its_signature_and_not_of_renewals(guard: Guard) -> None:
    for step, setpoint in enumerate((0.8, 0.8, 0.4), 1):
        now_us = NOW + step * 1000 * MS
        task = ask(guard, now_us, step=step, setpoint=setpoint)
        guard.request("edge", task, now_us)
        guard.intent_saved(task.task_id, now_us)
    first, second = guard.take_deeds()
    assert (first["event"], first["who"], first["actuator"], first["setpoint"]) == ("reflex", "flood", GATE, "0.8")
    assert second["setpoint"] == "0.4"
    entry = guard.entries[bytes.fromhex(first["task"])]
    assert tasks.verify_reflex(KEY.public, entry.payload, bytes.fromhex(first["signature"]))


def test_it_is_named_with_each_connection_and_when_it_changes(edge: Edge) -> None:  # noqa: F811
    def named() -> list[bytes]:
        found = [hello.reflex for hello in edge.of(cl.EdgeHello)]
        edge.sent.clear()
        return found

    edge.guard.reflex = KEY
    hello(edge)
    assert named() == [KEY.public]
    edge.pass_s(1)
    assert named() == []
    edge.guard.reflex = ReflexKey(PUBLIC, b"")
    edge.pass_s(1)
    assert named() == [PUBLIC], "once, before anything that is signed with it"
    hello(edge, "s-2")
    assert named() == [PUBLIC]


# the files


def test_each_link_key_has_one_for_its_owner_alone(tmp_path: Path) -> None:
    first, second = reflex_key(tmp_path, "aa"), reflex_key(tmp_path, "bb")
    assert first != second and reflex_key(tmp_path, "aa") == first
    folder = tmp_path / "reflex"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert first.private.hex() not in repr(first) and repr(first.private) not in repr(first)
    forget(tmp_path, ["bb"])
    assert [path.name for path in folder.iterdir()] == ["bb.secret"]


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    reflex_key(tmp_path, "aa")
    (tmp_path / "reflex/aa.secret").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        reflex_key(tmp_path, "aa")


class Side:
    """The key side of a node whose link keys are these."""

    def __init__(self, folder: Path, *secrets: bytes) -> None:
        self.audit = AuditLog(folder)
        self.guard = Guard("edge-1", "b-1", PUBLIC, first_fence=1)
        self.keys = NodeKeys([read_pair(secret) for secret in secrets], [b"c" * 40])
        core: Any = SimpleNamespace(guard=self.guard, keys=self.keys, now=lambda: NOW, audit={}, edge="edge-1")
        socket: Any = SimpleNamespace(reconnect=lambda: None, take_events=lambda: (0, 0))
        section: Any = SimpleNamespace(endpoint="ipc://c", secret_file=folder / "edge.secret", public_file=None)
        self.side = KeySide(section, core, socket, self.audit)
        self.core = core

    def public(self) -> bytes:
        assert self.guard.reflex is not None
        return self.guard.reflex.public


@pytest.fixture
def secrets() -> tuple[bytes, bytes]:
    return z85.encode(bytes([1]) * 32), z85.encode(bytes([2]) * 32)


def test_it_changes_with_the_link_key_in_use(tmp_path: Path, secrets: tuple[bytes, bytes]) -> None:
    node = Side(tmp_path, *secrets)
    present, names = node.public(), {pair.fingerprint for pair in node.keys.own}
    node.keys.taken(node.keys.own[1].public)
    assert node.public() == present, "until the new link begins"
    node.side.tick()
    after = node.public()
    assert after != present
    assert {path.stem for path in (tmp_path / "reflex").iterdir()} == names, "either may be the one in the end"
    node.keys.refused()
    node.side.tick()
    assert node.public() == present
    node.side.close()
    again = Side(tmp_path, secrets[1])
    assert again.public() == after and len(list((tmp_path / "reflex").iterdir())) == 1
    again.side.close()


def test_a_key_that_cannot_be_read_is_told_and_the_guard_goes_on(tmp_path: Path, secrets: tuple[bytes, bytes]) -> None:
    node = Side(tmp_path, secrets[0])
    node.side.close()
    next((tmp_path / "reflex").iterdir()).chmod(0o644)
    node = Side(tmp_path, secrets[0])
    node.side.tick()
    assert node.guard.reflex is None
    assert any("reflexes are not signed" in text and "chmod 600" in text for text in node.core.audit["problems"])
    node.side.close()
