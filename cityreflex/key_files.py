"""Key files that configurations name: which are missing, how they are made, the second slots of a city's own keys."""

import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import zmq

from aggregator.config import AggregatorConfig
from cityreflex import config
from cityreflex.exits import CONFIG, NOT_FOUND, PERMISSION, REFUSED, CityError
from edge_node.config import EdgeConfig
from protocol import tasks
from service.errors import KeyFileError
from service.files import make_private_folder, rename_durably, replace_durably, write_once
from service.fingerprint import fingerprint, raw_key
from service.keys import BOARD_KEY_BYTES, is_credential, read_curve_key, read_ed25519_key, second_slot

CITY_FILE = "run/aggregator.toml"
NODE_FILE = "run/edge.toml"
PUBLIC_MODE = 0o644
Row = dict[str, str]
_secret_curve = partial(read_curve_key, secret=True)
_secret_sign = partial(read_ed25519_key, secret=True)


def kind(path: Path) -> str:
    """Return "edge" or "aggregator". Raises: CityError."""
    found = config.kind_of(config.read(path))
    if found not in ("edge", "aggregator"):
        raise CityError(CONFIG, f"{path} is a file of kind {found}", "give an aggregator.toml or an edge.toml")
    return found


def check_kind(path: Path | None, wanted: str) -> None:
    """Check that a file is of the side where this half of an enrolment is done. Raises: CityError."""
    if path is None or kind(path) == wanted:
        return
    if wanted == "aggregator":
        hint = f"here, on the node: city keys enroll --token - --config {shlex.quote(str(path))}"
        raise CityError(CONFIG, f"{path}: found the edge.toml of a node; tokens are made with an aggregator.toml", hint)
    hint = f"here, on the city: city keys enroll EDGE --config {shlex.quote(str(path))}"
    raise CityError(CONFIG, f"{path}: found the aggregator.toml of a city; --token is for an edge.toml", hint)


def init(path: Path, boards: Sequence[str] = ()) -> list[Row]:
    """Make the key files that the configuration names and that are missing; return them. Raises: CityError."""
    try:
        if kind(path) == "aggregator":
            if boards:
                raise CityError(CONFIG, f"{path} is of a city, and boards belong to nodes", "give an edge.toml")
            return list(_init_city(config.load_aggregator(path, with_keys=False)))
        return list(_init_node(config.load_edge(path, with_keys=False), path, boards))
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), "see docs/keys.md") from error
    except PermissionError as error:
        raise CityError(PERMISSION, str(error), "check the owner and mode of that path") from error


def _init_city(city: AggregatorConfig) -> Iterator[Row]:
    yield from _curve(city.listen.secret_file, city.listen.public_file)
    secret = city.signing.secret_file if city.signing else None
    if secret is not None and not is_credential(secret):
        if not secret.exists():
            make_private_folder(secret.parent)
            write_once(secret, tasks.new_keys()[0].hex().encode())
            yield {"file": str(secret), "what": "Ed25519 secret key that signs tasks"}
        yield from _public(public_sign_file(secret), tasks.public_of(_secret_sign(secret)).hex())


def _init_node(node: EdgeConfig, path: Path, boards: Sequence[str]) -> Iterator[Row]:
    known = {board.thing: board.key_file for board in node.boards}
    for thing in boards:
        if thing not in known:
            text = f"{path} has no board {thing!r}; expected one of {', '.join(sorted(known))}"
            raise CityError(NOT_FOUND, text, "add its [[boards]] first")
    if not boards:
        yield from _curve(node.city.secret_file, node.city.public_file)
    for thing in boards or known:
        if is_credential(known[thing]) or known[thing].exists():
            continue
        make_private_folder(known[thing].parent)
        write_once(known[thing], secrets.token_bytes(BOARD_KEY_BYTES))
        yield {"file": str(known[thing]), "what": f"key of board {thing}: bundle it for that board, docs/firmware.md"}


def _curve(secret: Path, public: Path | None) -> Iterator[Row]:
    if is_credential(secret):
        return
    if not secret.exists():
        make_private_folder(secret.parent)
        write_once(secret, zmq.curve_keypair()[1])
        yield {"file": str(secret), "what": "CURVE secret key"}
    if public is not None:
        yield from _public(public, zmq.curve_public(_secret_curve(secret)).decode())


def _public(path: Path, text: str) -> Iterator[Row]:
    """Write the public half; one that is there must be that of the secret."""
    if path.exists():
        if path.read_text().strip() != text:
            raise KeyFileError(f"{path} is not the public half of the secret key beside it; move one of them away")
        return
    replace_durably(path, text.encode(), PUBLIC_MODE)
    yield {"file": str(path), "what": f"public key {text}"}


def public_sign_file(secret: Path) -> Path:
    """Return where the public half of the signing key lies."""
    return secret.with_suffix(".public")


def rotate_city(path: Path, which: str, switch: bool) -> dict[str, Any]:
    """Make the city's next key, or let it take the place of the present one; return what nodes have to know.

    Raises: CityError.
    """
    city = config.load_aggregator(path)
    if which == "signing" and city.signing is None:
        raise CityError(CONFIG, f"the signer at {city.city.signer} has the signing key", "docs/tasks.md, The signer")
    secret = city.signing.secret_file if which == "signing" and city.signing else city.listen.secret_file
    public = city.listen.public_file if which == "curve" else public_sign_file(secret)
    if is_credential(secret) or is_credential(public):
        raise CityError(CONFIG, f"{secret}: a credential of systemd is read only", "see docs/keys.md, Credentials")
    try:
        return _switch(which, (secret, public)) if switch else _prepare(which, secret, public)
    except PermissionError as error:
        raise CityError(PERMISSION, str(error), "check the owner and mode of that path") from error


def _prepare(which: str, secret: Path, public: Path) -> dict[str, Any]:
    after = second_slot(secret)
    if not after.exists():
        write_once(after, zmq.curve_keypair()[1] if which == "curve" else tasks.new_keys()[0].hex().encode())
    if which == "curve":
        text = bytes(zmq.curve_public(_secret_curve(after))).decode()
    else:
        text = tasks.public_of(_secret_sign(after)).hex()
    replace_durably(second_slot(public), text.encode(), PUBLIC_MODE)
    return {"which": which, "step": "prepared", "public": text}


def _switch(which: str, files: Iterable[Path]) -> dict[str, Any]:
    """The secret goes first: a public file that lags behind is put right by `init`, a secret never."""
    secret, public = files
    if not second_slot(secret).exists():
        hint = f"city keys rotate --which {which} makes one; every node has to trust it before the switch"
        raise CityError(REFUSED, f"there is no next key {second_slot(secret)}", hint)
    read_next = _secret_curve if which == "curve" else _secret_sign
    key = read_next(second_slot(secret))
    text = bytes(zmq.curve_public(key)).decode() if which == "curve" else tasks.public_of(key).hex()
    rename_durably(second_slot(secret), secret)
    replace_durably(public, text.encode(), PUBLIC_MODE)
    second_slot(public).unlink(missing_ok=True)
    return {"which": which, "step": "switched", "public": text}


def trust(node: EdgeConfig, server: str | None, verify: str | None) -> None:
    """Write the city's next public keys, which were checked, beside the present ones. Raises: CityError."""
    try:
        if server is not None:
            replace_durably(second_slot(node.city.server_public_file), server.encode(), PUBLIC_MODE)
        if verify is not None:
            replace_durably(second_slot(node.city.verify_key_file), verify.encode(), PUBLIC_MODE)
    except OSError as error:
        raise CityError(PERMISSION, str(error), "check the owner and mode of that path") from error


def name_of(secret: Path) -> str:
    """Return the fingerprint of the public half of a CURVE secret file. Raises: KeyFileError."""
    return fingerprint(raw_key(bytes(zmq.curve_public(_secret_curve(secret)))))
