"""`city login`, `city logout`, `city whoami`: who asks the city."""

import json
from datetime import UTC, datetime
from pathlib import Path

import rich_click as click

from cityreflex import asking, token_file
from cityreflex.client import check_way
from cityreflex.commands.options import json_option, where_options
from cityreflex.commands.password import ask, password_option
from cityreflex.where import Where


@click.command()
@click.argument("name")
@where_options
@password_option
@json_option
def login(where: Where, name: str, password_file: Path | None, as_json: bool) -> None:
    """Log in as NAME; the token is kept in a file of yours and shown by later commands.

    Example: city login anna --at https://city.example:8443 --ca city.pem
    """
    check_way(where.address)
    body = {"name": name, "password": ask(f"password of {name}", password_file)}
    found = asking.post(where, "login", body, anonymous=True)
    path = token_file.save(where.address, found, where.token_file)
    until = datetime.fromtimestamp(found["until_utc_us"] / 1e6, UTC)
    row = {"name": name, "until_utc_us": found["until_utc_us"], "token_file": str(path)}
    text = f"{name} is logged in until {until:%Y-%m-%d %H:%M} UTC; the token is in {path}"
    click.echo(json.dumps(row) if as_json else text)


@click.command()
@where_options
def logout(where: Where) -> None:
    """End the login, here and at the city.

    Example: city logout
    """
    with where.client() as city:
        known = bool(city.token)
    try:
        if known:
            asking.post(where, "logout", {})
    finally:
        token_file.forget(where.address, where.token_file)
    click.echo("logged out" if known else "you were not logged in")


@click.command()
@where_options
@json_option
def whoami(where: Where, as_json: bool) -> None:
    """Show who the city takes you for, and what you may do in which zone.

    Example: city whoami --json
    """
    found = asking.get(where, "whoami")
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(found["name"])
    for zone, rights in sorted(found["rights"].items()):
        click.echo(f"  {'everywhere' if zone == '*' else zone}: {', '.join(rights)}")
