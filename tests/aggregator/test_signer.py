"""The signer: signs tasks and nothing else, has each in its audit log first; the city goes on without it."""

import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest
from guarded_city import GATE, Town, end

from aggregator.config import parse
from aggregator.errors import SignerError
from aggregator.signing.judge import PUBLIC, SIGN, Judge
from aggregator.signing.remote import HOLD_S, RemoteSigner, signer_of, verify_keys
from aggregator.store.store import Store
from protocol import tasks
from service import audit
from service.risk import LOW, Rule

PRIVATE, KEY = tasks.new_keys()
TASK = tasks.Task(bytes(16), GATE, 0.5, 3000, "flood", 1, "edge-1", "b", 1, 1, reason="level is high")
ANNAS = tasks.Task(bytes(16), GATE, 0.5, 3000, "people", 1, "edge-1", "b", 1, 1, rank="operator", person="anna")
US = 1_000_000


def ask(judge: Judge, payload: bytes, now_us: int = US) -> tuple[bytes, Any]:
    return judge.answer(bytes([SIGN]) + payload, now_us)


@pytest.mark.parametrize(("task", "who"), [(TASK, "city"), (ANNAS, "anna")])
def test_a_task_is_signed_and_audited(task: tasks.Task, who: str) -> None:
    answer, row = ask(Judge([PRIVATE]), tasks.encode(task))
    assert answer[:1] == b"\x00" and tasks.verify(KEY, tasks.encode(task), answer[1:])
    assert (row["event"], row["who"], row["actuator"], row["verb"]) == ("signed", who, GATE, "operate")


OTHERS: list[tuple[str, bytes]] = [
    ("no_task", b""),
    ("no_task", b"a contract over the sale of the river"),
    ("no_task", tasks.encode(TASK)[:-1]),
    ("no_task", msgpack.packb([*msgpack.unpackb(tasks.encode(TASK)), 0])),
    ("unauthorised", tasks.encode(tasks.Task(**{**vars(TASK), "rank": "safety"}))),
    ("unauthorised", tasks.encode(tasks.Task(**{**vars(ANNAS), "person": ""}))),
]


@pytest.mark.parametrize(("word", "payload"), OTHERS)
def test_all_else_is_refused_and_audited(word: str, payload: bytes) -> None:
    answer, row = ask(Judge([PRIVATE]), payload)
    assert answer[:1] == b"\x01" and answer[1:].startswith(word.encode())
    assert (row["event"], row["reason"]) == ("refused", word) and len(answer) <= 512


def test_there_is_a_limit_to_signatures() -> None:
    judge = Judge([PRIVATE], per_s=1.0, burst=2)
    answers = [ask(judge, tasks.encode(TASK))[0] for _ in range(3)]
    assert [answer[:1] for answer in answers] == [b"\x00", b"\x00", b"\x01"] and b"rate_limited" in answers[2]
    assert ask(judge, tasks.encode(TASK), 2 * US)[0][:1] == b"\x00"


def test_it_tells_its_public_keys_present_first() -> None:
    other = tasks.new_keys()
    assert Judge([PRIVATE, other[0]]).answer(bytes([PUBLIC]), 0)[0] == b"\x00" + KEY + other[1]


def test_one_signer_in_the_configuration(tmp_path: Path) -> None:
    data = {
        "city": {"data_dir": "city", "signer": "unix:signer.sock"}, "edges": [{"id": "edge-1", "public_file": "e"}],
        "listen": {"endpoint": "ipc://x", "public_file": "p", "secret_file": "s"},
    }  # fmt: skip
    config = parse(data, tmp_path)
    assert config.city.signer_path == tmp_path / "signer.sock"
    with pytest.raises(SignerError, match="city signer run"):
        verify_keys(config)
    for wrong in ({**data, "signing": {"secret_file": "k"}}, {**data, "city": {"data_dir": "city"}}):
        with pytest.raises(ValueError, match="who signs tasks"):
            parse(wrong, tmp_path)
    (tmp_path / "k").write_text(PRIVATE.hex())
    (tmp_path / "k").chmod(0o600)
    own = parse({**data, "city": {"data_dir": "city"}, "signing": {"secret_file": "k"}}, tmp_path)
    assert tasks.verify(KEY, b"x", signer_of(own)(b"x")) and verify_keys(own) == (KEY,)


@pytest.mark.parametrize("rule", [LOW, Rule(hazardous=True)], ids=["plain", "hazardous"])
def test_without_a_signature_nothing_leaves_and_it_goes_on_with_one(kit: Any, store: Store, rule: Rule) -> None:
    town = Town(kit, store, rule)
    genuine = town.city.dispatcher.sign

    def gone(_: bytes) -> bytes:
        raise SignerError("signer: gone")

    town.city.dispatcher.sign = gone
    clock = type(kit.clock)(0, town.city.clock.event_utc_us(town.now_us), 1.0, 1.0, True)
    record = town.ask()
    town.to_city.append(type(kit.batch(0, 1))(**{**vars(kit.batch(0, 1, 1.0)), "clock": clock}))
    town.run(2000)
    assert not town.orders and not town.moved and town.city.dispatcher.held_back["no_signature"]
    town.city.dispatcher.sign = genuine
    town.run(2000)
    assert end(record) == ("observed", "ok")


class Running:
    """`city signer run` as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket = folder, folder / "s.sock"
        self.words = ["signer", "run", "--key", "k/sign.secret", "--socket", "s.sock", "--audit", "audit"]
        self.process: subprocess.Popen[bytes] | None = None

    def tell(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cityreflex", *words], cwd=self.folder, capture_output=True, text=True, timeout=90,
            check=False,
        )  # fmt: skip

    def start(self) -> None:
        command = [sys.executable, "-m", "cityreflex", *self.words]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self.process.stdout is not None
        seen = b""
        while b"ready" not in seen:
            assert select.select([self.process.stdout], [], [], 60)[0], seen
            part = os.read(self.process.stdout.fileno(), 4096)
            assert part, seen
            seen += part

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(90)


@pytest.mark.system
def test_a_signer_of_its_own_signs_over_its_socket_and_comes_back(tmp_path: Path) -> None:
    made = Running(tmp_path)
    refused = made.tell(*made.words)
    assert refused.returncode == 4 and "city signer init" in refused.stderr
    public = bytes.fromhex(made.tell("signer", "init", "--key", "k/sign.secret").stdout.split()[0])
    assert stat.S_IMODE((tmp_path / "k" / "sign.secret").stat().st_mode) == 0o600
    made.start()
    clock = [0.0]
    signer = RemoteSigner(made.socket, lambda: clock[0])
    try:
        assert stat.S_IMODE(made.socket.stat().st_mode) == 0o600
        assert signer.public_keys() == (public,)
        assert tasks.verify(public, tasks.encode(TASK), signer.sign(tasks.encode(TASK)))
        with pytest.raises(SignerError, match="no_task"):
            signer.sign(b"a contract")
        made.stop()
        for hint in ("signer run", "a moment ago"):
            with pytest.raises(SignerError, match=hint):
                signer.sign(tasks.encode(TASK))
        made.start()
        clock[0] += HOLD_S
        assert tasks.verify(public, tasks.encode(ANNAS), signer.sign(tasks.encode(ANNAS)))
    finally:
        made.stop()
    rows = [row for row in audit.read(tmp_path / "audit") if row["event"] in ("signed", "refused")]
    assert [(row["event"], row["who"]) for row in rows] == [
        ("signed", "city"), ("refused", "somebody"), ("signed", "anna")
    ]  # fmt: skip


def test_a_signer_that_says_nothing_holds_the_loop_up_once_and_shortly(tmp_path: Path) -> None:
    clock = [0.0]
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s.sock"))
        silent.listen(4)
        signer = RemoteSigner(tmp_path / "s.sock", lambda: clock[0])
        for hint in ("timed out", "a moment ago"):
            with pytest.raises(SignerError, match=hint):
                signer.sign(tasks.encode(TASK))
        clock[0] += HOLD_S
        with pytest.raises(SignerError, match="timed out"):
            signer.sign(tasks.encode(TASK))
