"""`city operator`: who may change something. The walkthrough is docs/operators.md."""

import json
from pathlib import Path

import rich_click as click

from cityreflex.commands import terminal
from cityreflex.commands.options import json_option, where_options
from cityreflex.commands.password import ask, password_option
from cityreflex.operator_admin import Operators
from cityreflex.where import Where

ROLES = ("viewer", "operator", "supervisor", "administrator")
zone_option = click.option("--zone", "zones", multiple=True, metavar="ZONE", help="A zone of aggregator.toml; may be "
                           "given several times; without it: everywhere.")  # fmt: skip


@click.group()
def operator() -> None:
    """Enter, list and remove operators; passwords, roles by zone. Walkthrough: docs/operators.md.

    Example: city operator add anna --role administrator
    """


@operator.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What they may do there.")
@zone_option
@where_options
@password_option
def add(where: Where, name: str, role: str, zones: tuple[str, ...], password_file: Path | None) -> None:
    """Enter NAME with a role and a password.

    Example: city operator add ben --role operator --zone riverside
    """
    password = ask(f"new password of {name}", password_file, twice=True)
    Operators(where).add(name, password, dict.fromkeys(zones or ("*",), role))
    click.echo(f"{name} is entered as {role}; next: city login {name}")


@operator.command("list")
@where_options
@json_option
def list_(where: Where, as_json: bool) -> None:
    """Show everybody with roles and logins; never a password.

    Example: city operator list --json
    """
    rows = Operators(where).rows()
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in terminal.harmless(rows):
        roles = ", ".join(f"{role} {'everywhere' if zone == '*' else zone}" for zone, role in row["roles"].items())
        click.echo(f"{row['name']:<20} {roles}; logins {row['logins']}")
    if not rows:
        click.echo("nobody is entered yet; next: city operator add NAME --role administrator", err=True)


@operator.command()
@click.argument("name")
@where_options
def remove(where: Where, name: str) -> None:
    """Forget NAME and end all their logins, at once.

    Example: city operator remove ben
    """
    Operators(where).remove(name)
    click.echo(f"{name} is removed")


@operator.command()
@click.argument("name")
@where_options
@password_option
@click.option("--own", is_flag=True, help="You are NAME and no administrator: the old password is asked first.")
def passwd(where: Where, name: str, password_file: Path | None, own: bool) -> None:
    """Give NAME another password; it ends all their logins.

    Example: city operator passwd ben
    """
    old = ask(f"old password of {name}", None) if own else ""
    Operators(where).set_password(name, ask(f"new password of {name}", password_file, twice=True), old)
    click.echo(f"the password of {name} is changed; next: city login {name}")


@operator.command()
@click.argument("name")
@click.argument("role", type=click.Choice([*ROLES, "none"]))
@zone_option
@where_options
def role(where: Where, name: str, role: str, zones: tuple[str, ...]) -> None:
    """Give NAME another ROLE in these zones, or everywhere; other zones stay. It counts at once.

    Example: city operator role ben supervisor --zone riverside

    Example: city operator role ben none --zone harbour
    """
    people = Operators(where)
    changed = {**people.roles_of(name), **dict.fromkeys(zones or ("*",), role)}
    roles = {zone: held for zone, held in changed.items() if held != "none"}
    people.set_roles(name, roles)
    click.echo(f"{name}: " + ", ".join(f"{held} {'everywhere' if z == '*' else z}" for z, held in roles.items()))
