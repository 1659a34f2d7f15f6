"""`city process new`: replicates a template, or what runs at one site, to another site."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import rich_click as click
import tomlkit

from cityreflex import config, known_streams
from cityreflex.commands.options import json_option, quoted, templates_option, where_options
from cityreflex.exits import CONFIG, FAILED, NOT_FOUND, CityError
from cityreflex.where import Where
from processes import templates as found_templates
from processes.contract import Port
from processes.errors import ProcessError
from processes.fitting import Fit, Stream, fit, is_unseen

FORM = "PORT=DATASTREAM"
EXAMPLE = re.compile(r"\A# An example: .*\n")  # a copy is none any more


class Source(NamedTuple):
    """What is replicated: its document, the template's ports, and what each port is bound to there."""

    document: Any
    ports: Mapping[str, Port]
    bound: dict[str, list[str]]


@click.command()
@click.argument("source", metavar="TEMPLATE|FILE")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--things", multiple=True, default=("*",), metavar="PATTERN",
              help="Things of the new site, such as river-2 or 'school-*'; may be given several times.")  # fmt: skip
@click.option("--bind", multiple=True, metavar=FORM, help="Bind a port yourself; several for a port that takes many.")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Another value under [site].")
@click.option("--mode", type=click.Choice(("advise", "act")), default="advise", show_default=True,
              help="advise: proposals are noted, nothing is sent.")  # fmt: skip
@templates_option
@where_options
@json_option
def new(
    where: Where, source: str, dest: Path, things: tuple[str, ...], bind: tuple[str, ...], values: tuple[str, ...],
    mode: str, templates: tuple[Path, ...], as_json: bool,
) -> None:  # fmt: skip
    """Copy a process to another site: TEMPLATE, or the FILE of one that runs, to the new file DEST.

    Ports are bound by property and unit to datastreams of the new site's Things, found in the running city or in the
    run directory. What is ambiguous is asked for, or named with exit code 3 where nobody is there to answer. DEST is
    never overwritten, and is checked before it is written.

    Example: city process new sites/flood.toml sites/flood_mill.toml --things 'mill-*' --set threshold_m=1.2
    """
    if dest.exists():
        raise CityError(FAILED, f"{dest} exists; nothing was changed", "give another name")
    origin = _source(source, templates)
    _unknown(bind, origin.ports)
    fits = fit(origin.ports, *known_streams.find(where))
    bound = {name: _choose(name, found, things, origin, _given(bind, name), as_json) for name, found in fits.items()}
    document = _filled(origin, bound, fits, values, mode)
    _write(dest, document, templates)
    rows = {name: [stream.name for stream in streams] for name, streams in bound.items()}
    made = {"file": str(dest), "bound": rows, "mode": mode}
    click.echo(json.dumps(made) if as_json else _told(where, dest, rows, mode))


def _source(source: str, folders: tuple[Path, ...]) -> Source:
    """Return a template's example, or a process file. Raises: CityError, ConfigFileError."""
    path = Path(source)
    try:
        if path.suffix or path.exists():
            config.check(path, folders)
        else:
            path = found_templates.load(source, folders).folder / "site.toml"
        document = tomlkit.parse(config.read(path).path.read_text(encoding="utf-8"))
        data = document.unwrap()
        ports = found_templates.load(data["template"], folders).ports
    except ProcessError as error:
        raise CityError(CONFIG, str(error), "give a template's name, or a process file") from error
    senses = {name: [one] if isinstance(one, str) else list(one) for name, one in data["senses"].items()}
    return Source(document, ports, {**senses, **{n: [r["actuator"]] for n, r in data.get("responds", {}).items()}})


def _given(bind: Iterable[str], port: str) -> list[str]:
    return [one.partition("=")[2] for one in bind if one.partition("=")[0] == port]


def _unknown(bind: Iterable[str], ports: Mapping[str, Port]) -> None:
    for one in bind:
        name, equal, _ = one.partition("=")
        if not equal or name not in ports:
            raise click.BadParameter(f"found {one!r}; expected {FORM} with one of {', '.join(sorted(ports))}")


def _choose(
    name: str, found: Fit, things: tuple[str, ...], origin: Source, given: list[str], quiet: bool
) -> list[Stream]:
    """Return the streams of a port. Raises: CityError for none, or several where one is to be."""
    if given:
        return [_named(name, found, one) for one in given]
    fits = [stream for stream in found.fits if stream.of(things)]
    fits = fits or _unseen_like(found, things, origin.bound.get(name, []))
    if found.port.role == "respond" and name not in origin.bound:
        return fits if len(fits) == 1 else []
    if not fits:
        raise _nothing(name, found, things)
    likely = _like(fits, origin.bound.get(name, []))
    if found.port.many or len(likely) == 1:
        return likely
    if not quiet and sys.stdin.isatty():
        names = [stream.name for stream in likely]
        chosen = click.prompt(f"port {name}", type=click.Choice(names), err=True)
        return [stream for stream in likely if stream.name == chosen]
    several = ", ".join(stream.name for stream in likely)
    raise CityError(CONFIG, f"port {name} is ambiguous: {several} fit", f"give --bind {name}=... with one of them")


def _unseen_like(found: Fit, things: tuple[str, ...], before: list[str]) -> list[Stream]:
    """Return the actuators without feedback that are called like the one before: their names are all there is."""
    tails = {_tail(name) for name in before}
    unseen = [stream for stream, _ in found.near if is_unseen(found.port, stream)]
    return [stream for stream in unseen if stream.of(things) and _tail(stream.name) in tails]


def _nothing(name: str, found: Fit, things: tuple[str, ...]) -> CityError:
    """Return the error for a port that nothing of the Things fits: it says what fits elsewhere."""
    what = "measures" if found.port.role == "sense" else "moves"
    text = f"port {name}: nothing of {', '.join(things)} {what} {found.port.property} in {found.port.unit}"
    elsewhere = ", ".join(stream.name for stream in found.fits[:3])
    near = "; ".join(f"{stream.name}: {why}" for stream, why in found.near[:3])
    hint = f"elsewhere there is {elsewhere}: other --things?" if elsewhere else near
    return CityError(NOT_FOUND, text, hint or "see city process check, or give --bind")


def _like(fits: list[Stream], before: list[str]) -> list[Stream]:
    """Return those named like what the port was bound to: fused or not, the same channel; all if none is."""
    tails = {_tail(name) for name in before}
    return [stream for stream in fits if _tail(stream.name) in tails] or fits


def _tail(name: str) -> tuple[bool, str]:
    """Return whether a datastream is fused, and its channel without the board's name."""
    channel = name.partition("/")[2]
    board, dot, rest = channel.partition(".")
    return (True, rest) if dot else (False, board)


def _named(port: str, found: Fit, name: str) -> Stream:
    for stream in (*found.fits, *(near for near, _ in found.near if is_unseen(found.port, near))):
        if stream.name == name:
            return stream
    why = next((why for stream, why in found.near if stream.name == name), "it is not there, or of another property")
    raise CityError(CONFIG, f"--bind {port}={name}: {why}", f"it needs {found.port.property} in {found.port.unit}")


def _filled(
    origin: Source, bound: Mapping[str, list[Stream]], fits: Mapping[str, Fit], values: Iterable[str], mode: str
) -> Any:
    """Return the document with its ports bound anew; comments and the rest stay."""
    document = origin.document
    document["mode"] = mode
    for name, streams in bound.items():
        names = [stream.name for stream in streams]
        if fits[name].port.role == "sense":
            document["senses"][name] = names if fits[name].port.many else names[0]
        elif streams:
            responds = document.setdefault("responds", tomlkit.table())
            row = responds.setdefault(name, tomlkit.inline_table())
            row["actuator"] = names[0]
            row.pop("observe", None)
            if streams[0].observe:
                row["observe"] = streams[0].observe
    for one in values:
        key, equal, value = one.partition("=")
        if not equal:
            raise click.BadParameter(f"found {one!r}; expected KEY=VALUE")
        document.setdefault("site", tomlkit.table())[key] = _value(value)
    return document


def _value(text: str) -> Any:
    """Return a value as TOML reads it; what is none is text."""
    try:
        return tomlkit.value(text)
    except ValueError:
        return text


def _write(dest: Path, document: Any, folders: tuple[Path, ...]) -> None:
    """Write the file once it is known to be right. Raises: CityError, ConfigFileError."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    staged = dest.with_name(f".{dest.name}.new") / dest.name
    staged.parent.mkdir()
    try:
        staged.write_text(EXAMPLE.sub("", tomlkit.dumps(document)), encoding="utf-8")
        config.check(staged, folders)
        dest.hardlink_to(staged)
    except FileExistsError as error:
        raise CityError(FAILED, f"{dest} exists; nothing was changed", "give another name") from error
    finally:
        staged.unlink(missing_ok=True)
        staged.parent.rmdir()


def _as_named(where: Where, dest: Path) -> str:
    """Return the file as configurations of the run directory name it."""
    there = where.folder.is_dir() and not where.at
    return json.dumps(os.path.relpath(dest, where.folder) if there else str(dest.absolute()))


def _told(where: Where, dest: Path, rows: Mapping[str, list[str]], mode: str) -> str:
    lines = [f"{dest}: written, mode {mode}"]
    lines += [f"  {port:<12} {', '.join(names) or 'not bound'}" for port, names in rows.items()]
    lines.append(f"look through [site], try it: city process test {quoted(dest)} --data ...")
    lines.append(f"then name it, {_as_named(where, dest)}, under [processes] files, and: city process reload")
    if dest.stem in known_streams.instances(where):
        lines.append(f"{dest.stem} runs here already, and a process is named by its file: rename {quoted(dest)} first")
    return "\n".join(lines)
