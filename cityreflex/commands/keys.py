"""`city keys`: makes, enrols, shows, changes and revokes keys. The walkthrough is docs/keys.md."""

import json
from pathlib import Path
from typing import Any

import rich_click as click

from cityreflex import key_files
from cityreflex.commands import keys_text
from cityreflex.commands.options import confirm, json_option, seconds
from cityreflex.key_admin import CityKeys, NodeKeys, enrol_here
from cityreflex.key_files import CITY_FILE, NODE_FILE

_path = click.Path(path_type=Path)
city_config = click.option("--config", "path", type=_path, default=CITY_FILE, show_default=True,
                           help="aggregator.toml of a city, or edge.toml of a node.")  # fmt: skip
node_config = click.option("--config", "path", type=_path, default=NODE_FILE, show_default=True,
                           help="edge.toml of a node, or aggregator.toml of a city.")  # fmt: skip


@click.group()
def keys() -> None:
    """Make, enroll, list, revoke and rotate keys. Walkthrough: docs/keys.md.

    Example: city keys enroll edge-7 --config city/aggregator.toml
    """


@keys.command()
@city_config
@click.option("--board", "boards", multiple=True, metavar="THING", help="Only the key of this board (edge.toml).")
@json_option
def init(path: Path, boards: tuple[str, ...], as_json: bool) -> None:
    """Make the key files that a configuration names and that are not there. Never replaces one.

    Example: city keys init --config city/aggregator.toml

    Example: city keys init --config edge.toml --board river-1
    """
    made = key_files.init(path, boards)
    _print({"made": made}, as_json, keys_text.made(made))


@keys.command()
@click.argument("edge", required=False)
@click.option("--token", metavar="TOKEN", help="On the node: the token; - reads it from stdin, @FILE from a file.")
@click.option("--config", "path", type=click.Path(path_type=Path),
              help=f"{CITY_FILE} with EDGE, {NODE_FILE} with --token, unless given.")  # fmt: skip
@click.option("--for", "life_s", callback=seconds, default="15m", show_default=True, help="How long the token lives.")
@json_option
def enroll(edge: str | None, token: str | None, path: Path | None, life_s: float, as_json: bool) -> None:
    """On the city: print a one-time token for EDGE. On the node, with --token: make a key and enroll it.

    A token on the command line shows in the list of processes: prefer --token - or @FILE.

    Example: city keys enroll edge-7 --for 15m

    Example: city keys enroll --token - --config edge.toml
    """
    if (edge is None) == (token is None):
        raise click.UsageError("give EDGE on the city's machine, or --token on the node's")
    key_files.check_kind(path, "aggregator" if token is None else "edge")
    if token is not None:
        found = enrol_here(path or Path(NODE_FILE), keys_text.token_of(token))
        _print(found, as_json, f"{found['edge']} is enrolled; its key is {found['fingerprint']}")
        return
    with CityKeys(path or Path(CITY_FILE)) as city:
        opened = city.enroll(str(edge), life_s)
    if as_json:
        click.echo(json.dumps(opened))
    else:
        click.echo(opened["token"])
        click.echo(keys_text.lapse(opened), err=True)


@keys.command("list")
@city_config
@json_option
def list_(path: Path, as_json: bool) -> None:
    """Show keys by fingerprint: slot, since when, last used; dead ones; open tokens. Never a secret.

    Example: city keys list --json
    """
    found = NodeKeys(path).rows() if key_files.kind(path) == "edge" else CityKeys.rows_of(path)
    _print(found, as_json, keys_text.table(found))


@keys.command()
@click.argument("edge")
@click.option("--key", "start", default="", metavar="FINGERPRINT", help="Only this key; its first digits are enough.")
@city_config
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke(edge: str, start: str, path: Path, yes: bool, as_json: bool) -> None:
    """Shut EDGE out within a second: its keys are dead for good, its links are cut, its token is void.

    With --key only that key, which may be dead already, and all keys that were offered under it.

    Example: city keys revoke edge-7 --yes
    """
    if not yes:
        which = f"key {start}... and the keys that were offered under it," if start else "every key"
        confirm(f"revoke {which} of {edge}?")
    with CityKeys(path) as city:
        found = city.revoke(edge, start)
    _print(found, as_json, "\n".join(f"revoked {name}" for name in found["revoked"]) or f"the token of {edge} is void")


@keys.command()
@node_config
@click.option("--which", type=click.Choice(["curve", "signing"]), help="Of the city: its link key or its signing key.")
@click.option("--switch", is_flag=True, help="Of the city: the next key takes its place; restart the aggregator then.")
@click.option("--wait", "wait_s", callback=seconds, default="60s", show_default=True,
              help="Of a node: how long to wait.")  # fmt: skip
@json_option
def rotate(path: Path, which: str | None, switch: bool, wait_s: float, as_json: bool) -> None:
    """Change a key without downtime. A node's (edge.toml): one command. The city's (aggregator.toml): two steps.

    Example: city keys rotate --config edge.toml

    Example: city keys rotate --config aggregator.toml --which signing
    """
    if key_files.kind(path) == "edge":
        if which or switch:
            raise click.UsageError("--which and --switch are for aggregator.toml: a node has one key")
        found = NodeKeys(path).rotate(wait_s)
        _print(found, as_json, keys_text.rotated(found))
    elif which is None:
        raise click.UsageError("give --which curve or --which signing")
    else:
        found = key_files.rotate_city(path, which, switch)
        _print(found, as_json, keys_text.city_rotated(found))


@keys.command()
@node_config
@click.option("--server", metavar="Z85", callback=keys_text.server_key,
              help="The city's next link key, as `rotate --which curve` prints it.")  # fmt: skip
@click.option("--verify", metavar="HEX", callback=keys_text.verify_key,
              help="The city's next signing key, as `rotate --which signing` prints it.")  # fmt: skip
@json_option
def trust(path: Path, server: str | None, verify: str | None, as_json: bool) -> None:
    """On the node: accept the city's next key beside the present one, until the next has proven itself.

    Example: city keys trust --config edge.toml --verify 3b6a27bc...
    """
    if not server and not verify:
        raise click.UsageError("give --server or --verify")
    found = NodeKeys(path).trust(server, verify)
    _print(found, as_json, keys_text.table(found))


def _print(found: dict[str, Any], as_json: bool, text: str) -> None:
    click.echo(json.dumps(found) if as_json else text)
