"""What a board starts once its outputs are off, why it starts, and what the program before it died of.

Loaded before the program and forgotten again. Sources: RP2040 datasheet (build 2024-10-15), 2.12.8 CHIP_RESET and
4.7.6 REASON; RP2350 datasheet, 6.4 CHIP_RESET (POWMAN) and 12.9.7 REASON. A reset by the watchdog leaves CHIP_RESET
as it was, so it is looked at last. On other chips `machine.reset_cause()` has to do.
"""

import os
import sys

import machine

from .flash import MAINTENANCE, Files

FAILED = "failed.txt"
LAST = "last_failure.txt"
MAX_TEXT = 120
WATCHDOG = "watchdog"
_FORCE = 2  # REASON: somebody asked for the reset, the timer did not run out
_RP2040 = (0x40058008, 0x40064008, ((1 << 8, "power-on or brown-out"), (1 << 16, "RUN pin"), (1 << 20, "debugger")))
_RP2350 = (0x400D8008, 0x4010002C, ((1 << 17, "brown-out"), (1 << 16, "power-on"), (1 << 18, "RUN pin")))


def program(config: dict):  # type: ignore[no-untyped-def,type-arg]
    """Return what to run: the application, or maintenance when that was asked for. `config` is board.json.

    Maintenance ends with power: a note that a power cut left behind asks for nothing. For the application `config` gets
    `started`: what to tell of this start, `bitten`: whether the watchdog ended the one before, and as `flash` where its
    flash ring is; to make room for that takes a board's first start half a minute, in which no watchdog runs.
    """
    if take(MAINTENANCE) and machine.reset_cause() != machine.PWRON_RESET:
        from . import maintenance  # noqa: PLC0415 (not together with the application)

        return maintenance.serve
    why = cause(config["mcu"])
    config["bitten"] = why == WATCHDOG
    last = last_failure(config["bitten"])
    config["started"] = why + "; last failure: " + last if last else why
    if "flash" in config:
        from . import ring_files  # noqa: PLC0415 (its code takes room only now)

        config["flash"] = ring_files.open_ring(config["flash"])
        ring_files.forget()
    forget()
    from . import app  # noqa: PLC0415 (maintenance must work also where the application does not load)

    return app.run


def forget() -> None:
    """Let the code of this module go when its caller is done with it."""
    del sys.modules["firmware.port.start"], sys.modules["firmware.port"].start


def take(name: str) -> bool:
    """Remove a file that is a note to the next start; return whether it was there."""
    try:
        os.remove(name)
    except OSError:
        return False
    return True


def cause(mcu: str) -> str:
    """Return what reset the chip, in words for people. `mcu` is that of the board file."""
    told = machine.reset_cause()
    if mcu.startswith("rp2"):
        reason, chip_reset, flags = _RP2350 if mcu == "rp2350" else _RP2040
        if told == machine.WDT_RESET:
            return "requested" if machine.mem32[reason] & _FORCE else WATCHDOG
        had = machine.mem32[chip_reset]
        for flag, name in flags:
            if had & flag:
                return name
        return "unknown"
    if told == machine.WDT_RESET:
        return WATCHDOG
    return "power-on or brown-out" if told == machine.PWRON_RESET else "requested or crashed"


def last_failure(bitten: bool) -> str:
    """Return what the program died of when it last did, or that it stood still; just now if `bitten`."""
    files = Files()
    if bitten:
        files.replace(LAST, files.read(FAILED) or "no error, the loop hung")
        take(FAILED)
    return files.read(LAST) or ""


def note_failure(error: BaseException) -> None:
    """Keep what the program died of for the next start, as well as the flash allows."""
    try:
        Files().replace(FAILED, repr(error)[:MAX_TEXT])
    except OSError as full:
        print("not noted:", full)
