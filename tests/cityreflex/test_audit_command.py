"""`city audit verify|show|export` on the log of a city that does not run: what it says and which code it ends with."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cityreflex import audit_files, exits
from cityreflex.audit_files import Log
from edge_node.audit.city_heads import CityHeads
from service.audit import FILE, AuditLog
from service.audit_heads import PRIVATE, Book, Signer
from service.audit_witness import EVERY_US, to_message

from .test_cli import Run, run  # noqa: F401 (a fixture)

DAY_US = 86_400_000_000
NOVEMBER_US = 1_793_491_200_000_000  # 2026-11-01


def write(folder: Path, days: range, witness: Path | None) -> None:
    for day in days:
        log = AuditLog(folder, wall=lambda day=day: NOVEMBER_US + day * DAY_US, name="city", witness=witness)
        log.write([{"event": "key_revoked", "who": "anna", "edge": f"edge-{day}"}, {"event": "login", "who": "ben"}])
        log.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run directory of a city with ten days of log and a witness."""
    monkeypatch.chdir(tmp_path)
    city = {
        "city": {"data_dir": "city"}, "enrol": {"endpoint": "ipc://door"}, "signing": {"secret_file": "sign.secret"},
        "listen": {"endpoint": "ipc://link", "public_file": "c.public", "secret_file": "c.secret"},
        "audit": {"witness": "witness"},
    }  # fmt: skip
    (tmp_path / "aggregator.toml").write_text(tomlkit.dumps(city))
    write(tmp_path / "city", range(10), tmp_path / "witness")
    return tmp_path


HERE = ("--dir", ".")


def ask(run: Run, *words: str) -> tuple[int, Any]:  # noqa: F811
    code, out, _ = run("audit", *words, "--json")
    return code, json.loads(out)


def test_a_whole_log_is_told_with_its_heads(run: Run, folder: Path) -> None:  # noqa: F811
    code, found = ask(run, "verify", *HERE)
    assert (code, found["ok"], found["lines"], found["witnessed"]) == (exits.OK, True, 20, True)
    assert found["heads"] >= 20 and found["newest_head"]["n"] == 20
    out = run("audit", "verify", *HERE)[1]
    assert "city: whole, 20 lines (1 to 20)" in out and "the newest is of line 20, 2026-11-10 00:00:00 UTC" in out
    shutil.rmtree(folder / "witness")
    assert "could roll it back" in run("audit", "verify", *HERE)[1]


def test_a_changed_line_ends_with_code_6_file_and_line(run: Run, folder: Path) -> None:  # noqa: F811
    path = folder / "city" / FILE
    path.write_bytes(path.read_bytes().replace(b"edge-4", b"edge-5"))
    code, _, err = run("audit", "verify", *HERE)
    assert code == exits.UNVERIFIED and "audit.jsonl:10: line 10 carries the hash of another line 9" in err
    code, found = ask(run, "verify", *HERE)
    assert code == exits.UNVERIFIED and found["problems"][0]["line"] == 10


def test_a_log_put_back_is_found_by_the_witness(run: Run, folder: Path) -> None:  # noqa: F811
    shutil.copytree(folder / "city", folder / "old")
    write(folder / "city", range(10, 12), folder / "witness")
    shutil.rmtree(folder / "city")
    shutil.move(folder / "old", folder / "city")
    code, _, err = run("audit", "verify", *HERE)
    assert code == exits.UNVERIFIED and "the log had 24 lines and now ends with line 20" in err
    shutil.move(folder / "witness" / "city.jsonl", folder / "book.jsonl")
    assert run("audit", "verify", *HERE)[0] == exits.OK
    assert run("audit", "verify", *HERE, "--heads", "book.jsonl")[0] == exits.UNVERIFIED


class NodeBook:
    """The data folder of an edge node beside the city, which keeps what the city's log hands it."""

    def __init__(self, folder: Path) -> None:
        audit_log = AuditLog(folder, name="edge-1", wall=lambda: NOVEMBER_US)
        heads = CityHeads(audit_log)
        for at, head in enumerate(Book(Path("city") / PRIVATE, "city").heads()):
            heads.take(to_message(head.__dict__))
            heads.tick(at * EVERY_US)
        heads.close()
        audit_log.close()


def edge_toml(folder: Path) -> None:
    edge = {
        "edge": {"id": "edge-1", "data_dir": "node"}, "boards": [{"thing": "r", "port": "p", "key_file": "k"}],
        "city": {"endpoint": "ipc://link", "server_public_file": "s", "secret_file": "s", "verify_key_file": "v"},
    }  # fmt: skip
    (folder / "edge.toml").write_text(tomlkit.dumps(edge))


def tamper(folder: Path, how: str) -> None:
    """Do to the city's files what their owner can: log, own book and witness are his."""
    path = folder / "city" / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    shutil.rmtree(folder / "witness")
    if how == "cut":
        path.write_bytes(b"".join(lines[:-3]))
        shutil.rmtree(folder / "city" / PRIVATE)
    elif how == "written anew":
        shutil.rmtree(folder / "city")
        write(folder / "city", range(30, 40), None)
    else:
        shutil.rmtree(folder / "city")
        write(folder / "city", range(8), None)


@pytest.mark.parametrize(
    ("how", "words"),
    [("cut", "had 20 lines and now ends with line 17"), ("rolled back", "had 20 lines and now ends with line 16"),
     ("written anew", "line 20 is not the one whose head was signed")],
)  # fmt: skip
@pytest.mark.parametrize("carried", [False, True])
def test_a_node_knows_better_than_all_that_the_city_can_write(
    run: Run, folder: Path, how: str, words: str, carried: bool  # noqa: F811
) -> None:
    NodeBook(folder / "node")
    edge_toml(folder)
    tamper(folder, how)
    if carried:  # from the node's machine to the city's
        assert run("audit", "heads", *HERE, "--part", "edge", "--output", "carried.jsonl")[0] == exits.OK
        (folder / "edge.toml").unlink()
        assert run("audit", "verify", *HERE)[0] == exits.OK, "nobody here knows"
    code, _, err = run("audit", "verify", *HERE, *(("--heads", "carried.jsonl") if carried else ()))
    assert code == exits.UNVERIFIED and words in err
    assert ("carried.jsonl:20" if carried else "heads.jsonl:20") in err


def test_a_forged_head_in_a_book_is_told(run: Run, folder: Path) -> None:  # noqa: F811
    NodeBook(folder / "node")
    edge_toml(folder)
    run("audit", "heads", *HERE, "--part", "edge", "--output", "carried.jsonl")
    text = Path("carried.jsonl").read_text()
    assert run("audit", "verify", *HERE, "--heads", "carried.jsonl")[0] == exits.OK
    Path("carried.jsonl").write_text(text.replace('"n": 20', '"n": 21'))
    code, _, err = run("audit", "verify", *HERE, "--heads", "carried.jsonl")
    assert code == exits.UNVERIFIED and "the signature of the head of line 21 is wrong" in err


def test_heads_that_are_kept_of_others_are_shown(run: Run, folder: Path) -> None:  # noqa: F811
    edge_toml(folder)
    code, out, _ = run("audit", "heads", *HERE, "--part", "edge")
    assert code == exits.OK and "no heads of other logs are kept here yet" in out
    NodeBook(folder / "node")
    out = run("audit", "heads", *HERE, "--part", "edge")[1]
    assert "city: line 20, signed 2026-11-10 00:00:00 UTC, received 20" in out
    rows = [json.loads(line) for line in run("audit", "heads", *HERE, "--part", "edge", "--json")[1].splitlines()]
    assert rows[-1]["n"] == 20 and rows[-1]["received_utc_us"] > NOVEMBER_US
    edges = folder / "city" / PRIVATE / "edges"
    for name in ("edge-1", "edge-2"):
        Book(edges, name).keep(Signer(folder / name).sign(name, 7, "ab" * 32, NOVEMBER_US), NOVEMBER_US)
    out = run("audit", "heads", *HERE)[1]
    assert "edge-1: line 7" in out and "edge-2: line 7" in out
    out = run("audit", "heads", *HERE, "--of", "edge-2")[1]
    assert "edge-1" not in out and "edge-2: line 7" in out


def test_who_was_not_asked_is_told(run: Run, folder: Path) -> None:  # noqa: F811
    assert "were not asked" in run("audit", "verify", *HERE)[1]
    assert ask(run, "verify", *HERE)[1]["asked"] is False


def test_show_filters(run: Run, folder: Path) -> None:  # noqa: F811
    def numbers(*words: str) -> list[int]:
        code, out, _ = run("audit", "show", *HERE, *words, "--json")
        assert code == exits.OK
        return [json.loads(line)["n"] for line in out.splitlines()]

    assert numbers() == list(range(1, 21))
    assert numbers("--event", "key_revoked", "--last", "2") == [17, 19]
    assert numbers("--who", "ben", "--since", "2026-11-09", "--until", "2026-11-09T23:59") == [18]
    out = run("audit", "show", *HERE, "--last", "2")[1]
    assert "2026-11-10 00:00:00     19 key_revoked anna: edge=edge-9" in out
    assert run("audit", "show", *HERE, "--since", "soon")[0] == exits.USAGE


def test_following_goes_on_over_renamed_files(folder: Path) -> None:
    log = Log.of(folder, "city")
    following = audit_files.rows(log, lambda row: row["event"] == "login", None, follow=True)
    assert [next(following)["n"] for _ in range(10)][-1] == 20
    live = AuditLog(log.folder, max_bytes=300)
    live.write([{"event": "login", "who": "zoe", "at": at} for at in range(3)])
    live.write([{"event": "login", "who": "zoe", "at": 3}])
    assert [next(following)["at"] for _ in range(4)] == [0, 1, 2, 3]
    live.close()


def test_an_export_is_checked_without_the_log(run: Run, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    part = ("--since", "2026-11-03", "--until", "2026-11-05", "--output", "part.jsonl")
    assert run("audit", "export", *HERE, *part)[0] == exits.OK
    lines = Path("part.jsonl").read_bytes().splitlines()
    shutil.rmtree(folder / "city")
    code, found = ask(run, "verify", "part.jsonl")
    assert (code, found["first"], found["last"]) == (exits.OK, 5, 10)
    key = json.loads(lines[0])["key"]
    assert ask(run, "verify", "part.jsonl", "--key", key)[0] == exits.OK
    assert ask(run, "verify", "part.jsonl", "--key", "ab" * 32)[0] == exits.UNVERIFIED
    spoilt = [lines[:-2] + lines[-1:], [lines[0], *lines[2:]], lines[:-1], [*lines[:3], lines[4], lines[3], *lines[5:]],
              [lines[0].replace(b'"first":5', b'"first":6'), *lines[2:]],
              [*lines[:2], lines[2].replace(b"ben", b"zoe"), *lines[3:]]]  # fmt: skip
    for one in spoilt:
        Path("part.jsonl").write_bytes(b"\n".join(one) + b"\n")
        assert run("audit", "verify", "part.jsonl")[0] == exits.UNVERIFIED
    Path("part.jsonl").write_text("nonsense\n")
    assert run("audit", "verify", "part.jsonl")[0] == exits.CONFIG


def test_docs_audit_md_says_enough_to_check_an_export_without_our_software(run: Run, folder: Path) -> None:  # noqa: F811
    run("audit", "export", *HERE, "--output", "all.jsonl")
    first, *lines, last = Path("all.jsonl").read_bytes().splitlines()
    top, head = json.loads(first), json.loads(last)["head"]
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(top["key"]))
    sig = bytes.fromhex(top.pop("sig"))
    key.verify(sig, b"cityreflex audit export 1\0" + json.dumps(top, separators=(",", ":")).encode())
    sig = bytes.fromhex(head.pop("sig"))
    signed = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    key.verify(sig, b"cityreflex audit head 1\0" + signed)
    prev = "0" * 64
    for n, raw in enumerate(lines, top["first"]):
        row = json.loads(raw)
        assert (row["n"], row["prev"]) == (n, prev)
        prev = hashlib.sha256(raw).hexdigest()
    assert (head["n"], head["sha256"], head["name"]) == (top["last"], prev, "city")


def test_where_there_is_no_log(run: Run, folder: Path) -> None:  # noqa: F811
    assert run("audit", "verify", "--dir", "nowhere")[0] == exits.NOT_FOUND
    shutil.rmtree(folder / "city")
    assert run("audit", "show", *HERE)[0] == exits.NOT_FOUND
    assert run("audit", "verify", "nowhere.jsonl")[0] == exits.USAGE
    assert not (folder / "city" / PRIVATE).exists()


def test_a_copy_of_the_files_is_checked_anywhere_and_against_the_book_of_a_witness(run: Run, folder: Path) -> None:  # noqa: F811
    shutil.copytree(folder / "city", folder / "copy")
    book = str(folder / "witness" / "city.jsonl")
    assert run("audit", "verify", "copy", "--heads", book)[0] == exits.OK
    lines = (folder / "copy" / FILE).read_bytes().splitlines(keepends=True)
    (folder / "copy" / FILE).write_bytes(b"".join(lines[:-1]))
    shutil.rmtree(folder / "copy" / PRIVATE)
    assert run("audit", "verify", "copy")[0] == exits.OK, "nothing in it vouches for its end"
    code, _, err = run("audit", "verify", "copy", "--heads", book)
    assert code == exits.UNVERIFIED and "the log had 20 lines and now ends with line 19" in err
    (folder / "copy" / FILE).write_bytes(b"".join(lines[:3] + lines[4:]))
    assert "line 4 is missing" in run("audit", "verify", "copy")[2]
    assert run("audit", "verify", "witness")[0] == exits.NOT_FOUND


def test_nothing_found_is_said(run: Run, folder: Path) -> None:  # noqa: F811
    code, out, err = run("audit", "show", *HERE, "--who", "zoe")
    assert (code, out) == (exits.OK, "") and "no line of the audit log of city" in err
