"""`city signer`: the city's signing key in a process of its own. See docs/tasks.md."""

import asyncio
import json
from functools import partial
from pathlib import Path

import rich_click as click

from aggregator.signing.judge import Judge
from aggregator.signing.server import run as serve
from cityreflex.commands.options import json_option
from cityreflex.commands.service import run_service
from cityreflex.exits import CONFIG, NOT_FOUND, CityError
from cityreflex.key_files import public_sign_file
from protocol import tasks
from service.audit import AuditLog
from service.errors import KeyFileError
from service.files import make_private_folder, replace_durably, write_once
from service.keys import read_ed25519_key, read_slots

PUBLIC_MODE = 0o644
_path = click.Path(dir_okay=False, path_type=Path)
key_option = click.option("--key", type=_path, default="signer/sign.secret", show_default=True,
                          help="The Ed25519 secret key; only the signer's user may read it.")  # fmt: skip


@click.group()
def signer() -> None:
    """Keep the city's signing key in a process of its own. See docs/tasks.md.

    Example: city signer run --key signer/sign.secret --socket run/signer.sock
    """


@signer.command()
@key_option
@json_option
def init(key: Path, as_json: bool) -> None:
    """Make the key, unless it is there, and its public half, which nodes need as their verify key.

    Example: city signer init --key signer/sign.secret
    """
    try:
        if not key.exists():
            make_private_folder(key.parent)
            write_once(key, tasks.new_keys()[0].hex().encode())
        public = tasks.public_of(read_ed25519_key(key, secret=True)).hex()
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), "see docs/keys.md") from error
    replace_durably(public_sign_file(key), public.encode(), PUBLIC_MODE)
    row = {"key": str(key), "public_file": str(public_sign_file(key)), "public": public}
    click.echo(json.dumps(row) if as_json else f"{public} in {row['public_file']}")


@signer.command()
@key_option
@click.option("--socket", "at", type=_path, required=True, help="Where the city connects: its [city] signer.")
@click.option("--audit", "audit_dir", type=click.Path(file_okay=False, path_type=Path), default="signer/audit",
              show_default=True, help="Folder of its audit log.")  # fmt: skip
@click.option("--group", default="", help="Whose members may connect too, such as the city's own group.")
@click.option("--per-s", default=20.0, show_default=True, help="How many signatures a second.")
def run(key: Path, at: Path, audit_dir: Path, group: str, per_s: float) -> None:
    """Sign tasks and nothing else, until SIGTERM or Ctrl-C; each signature has its line in the audit log first.

    Example: city signer run --key signer/sign.secret --socket run/signer.sock --group city
    """
    if not key.exists():
        raise CityError(NOT_FOUND, f"{key}: there is no such key", f"city signer init --key {key}")
    try:
        private = read_slots(key, partial(read_ed25519_key, secret=True))
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), "see docs/keys.md") from error
    judge = Judge(private, per_s, max(1, round(5 * per_s)))
    run_service(lambda: asyncio.run(serve(judge, at, AuditLog(audit_dir), group)), key, audit_dir)
