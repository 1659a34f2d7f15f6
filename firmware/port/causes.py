"""Why this start: what reset the chip, as far as it can tell, and what the program before it died of.

Loaded at start only, its code is dropped then. Sources: RP2040 datasheet (build 2024-10-15), 2.12.8 CHIP_RESET and
4.7.6 REASON; RP2350 datasheet, 6.4 CHIP_RESET (POWMAN) and 12.9.7 REASON. A reset by the watchdog leaves CHIP_RESET
as it was, so it is looked at last. On other chips `machine.reset_cause()` has to do.
"""

import machine

from firmware.core.link import INFO, WARNING

from .flash import Files, take

FAILED = "failed.txt"
LAST = "last_failure.txt"
MAX_TEXT = 120
WATCHDOG = "watchdog"
_FORCE = 2  # REASON: somebody asked for the reset, the timer did not run out
_RP2040 = (0x40058008, 0x40064008, ((1 << 8, "power-on or brown-out"), (1 << 16, "RUN pin"), (1 << 20, "debugger")))
_RP2350 = (0x400D8008, 0x4010002C, ((1 << 17, "brown-out"), (1 << 16, "power-on"), (1 << 18, "RUN pin")))


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


def note_failure(error: BaseException) -> None:
    """Keep what the program died of for the next start, as well as the flash allows."""
    try:
        Files().replace(FAILED, repr(error)[:MAX_TEXT])
    except OSError as full:
        print("not noted:", full)


def failure(bitten: bool) -> str:
    """Return what the last start that failed died of, or that it stood still; the one before this if `bitten`."""
    files = Files()
    if bitten:
        files.replace(LAST, files.read(FAILED) or "no error, the loop hung")
        take(FAILED)
    return files.read(LAST) or "unknown"


def tell(node, cause: str, failure: str) -> None:  # type: ignore[no-untyped-def]
    """Say on the console and to the host why this start, and what is wrong if starts before it failed."""
    failed = node.boot.failed
    if failed:
        cause = "%s, %d failed before, last: %s" % (cause, failed, failure)
    if node.boot.safe_mode:
        cause = "in safe mode without sensors and actuators, after " + cause
    node.started = cause
    node.link.log(WARNING if failed else INFO, "started: " + cause)
