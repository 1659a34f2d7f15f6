"""What settings make of board.json and manifest at a start: periods, scales and sigmas as they are. Both VMs."""

import struct

from protocol.mpack import Packer, Reader

from .settings import line, load, sigma_after, told

TOLD = "manifest.now"
MOST_BYTES = 1700  # protocol/manifest.py: what a hello carries
_ITEMS = 4096
_PERIOD = 5
_SIGMA = 7


def write(files, manifest: bytes) -> str:  # type: ignore[no-untyped-def]
    """Return the name of the file to send in hello: a new one if settings change what the kit's says, "" if none do.

    It is written only when it differs from the one that is there. Raises: ValueError, FrameError, OSError.
    """
    settings, _ = load(files)
    if not settings["n"]:
        return ""
    changed = patched(manifest, settings)
    if len(changed) > MOST_BYTES:
        raise ValueError("manifest of %d bytes: at most %d fit" % (len(changed), MOST_BYTES))
    if changed == manifest:
        return ""
    if files.read_bytes(TOLD) != changed:
        files.replace(TOLD, changed)
    return TOLD


def patched(manifest: bytes, settings: dict) -> bytes:  # type: ignore[type-arg]
    """Return a manifest with the periods and the sigmas that the settings make."""
    reader = Reader(manifest, 0, len(manifest), _ITEMS)
    _count(reader)
    reader.value(1)
    reader.value(1)
    parts = []
    done = _swap(reader, parts, 0, _PERIOD, settings.get("period", {}), _period)
    done = _swap(reader, parts, done, _SIGMA, settings.get("cal", {}), _sigma)
    parts.append(manifest[done:])
    return b"".join(parts)


def _swap(reader, parts: list, done: int, wanted: int, changes: dict, pack) -> int:  # type: ignore[no-untyped-def,type-arg]
    """Pass over a group of parts, changing field `wanted` of those named; return up to where `parts` has it all."""
    for _ in range(_count(reader)):
        name = ""
        for field in range(_count(reader)):
            at = reader.at
            value = reader.value(1)
            if field == 1:
                name = value
            if field == wanted and name in changes:
                parts.append(reader.buf[done:at])
                parts.append(pack(changes[name], value))
                done = reader.at
    return done


def _count(reader) -> int:  # type: ignore[no-untyped-def]
    """Return the length of the array that begins here."""
    head = reader.uint(1)
    return head & 15 if head < 0xA0 else reader.uint(2)


def _period(period_ms: int, value: int) -> bytes:
    """Return the bytes of a period in ms."""
    packer = Packer(bytearray(6))
    packer.uint(period_ms)
    return bytes(packer.buf[: packer.pos])


def _sigma(cal: dict, value: float) -> bytes:  # type: ignore[type-arg]
    """Return the bytes of a sigma, as float64 like the kit's."""
    return b"\xcb" + struct.pack(">d", sigma_after(cal, value))


def start(config: dict, files) -> list:  # type: ignore[no-untyped-def,type-arg]
    """Change board.json's content as the settings say; return what the log should say of it."""
    settings, damaged = load(files)
    notes = ["%s is damaged, settings %d are used" % (name, settings["n"]) for name in damaged]
    if not settings["n"]:
        return notes
    notes.append("settings %d are used" % settings["n"])
    periods, cals = settings.get("period", {}), settings.get("cal", {})
    lines = [told(name, cals[name]) for name in cals]
    config["settings"] = settings["n"]
    config["log"] = settings.get("log", 0)
    known = []
    for sensor in config["sensors"]:
        if sensor["name"] in periods:
            sensor["period_ms"] = periods[sensor["name"]]
            known.append(sensor["name"])
        for place in range(len(sensor["names"])):
            name = sensor["names"][place]
            if name in cals:
                _bend(sensor["channels"][place], cals[name])
                known.append(name)
    for name in list(periods) + list(cals):
        if name not in known:
            notes.append("settings name %s, which this board has not: ignored" % name)
    return notes + lines


def _bend(row: list, cal: dict) -> None:  # type: ignore[type-arg]
    """Put a calibration into a channel's scale and offset."""
    offset, gain, _ = line(cal)
    row[2] *= gain
    row[3] = offset + gain * row[3]
