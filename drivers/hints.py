"""What a fault code means at a given chip and pin, and what a technician should check (CPython only)."""

from typing import NamedTuple

from . import errors, motion


class Fault(NamedTuple):
    """Where it happened, in words: chip, place, lines to look at, and how its address is strapped."""

    name: str
    chip: str
    place: str
    lines: str
    strap: str


class Hint(NamedTuple):
    """One line each: what is wrong, and what to check."""

    what: str
    check: str


ADDRESS_STRAPS = {
    "amg8833": {0x68: "AD_SELECT is wired to GND", 0x69: "AD_SELECT is wired to VDD"},
    "bme280": {0x76: "SDO is wired to GND", 0x77: "SDO is wired to 3.3 V"},
    "ads1115": {
        0x48: "ADDR is wired to GND",
        0x49: "ADDR is wired to VDD",
        0x4A: "ADDR is wired to SDA",
        0x4B: "ADDR is wired to SCL",
    },
    "ina226": {0x40: "A0 and A1 are wired to GND"},
    "mcp4725": {0x60: "A0 is wired to GND", 0x61: "A0 is wired to VDD"},
    "pca9685": {0x40: "A0 to A5 are wired to GND, and /OE, too"},
    "mcp23017": {0x20: "A0, A1 and A2 are wired to GND, and /RESET to 3.3 V"},
    "mcp23017_inputs": {0x20: "A0, A1 and A2 are wired to GND, and /RESET to 3.3 V"},
    "lis3dh": {0x18: "SA0 is wired to GND", 0x19: "SA0 is wired to 3.3 V or open"},
    "lis3mdl": {0x1C: "SA1 is wired to GND", 0x1E: "SA1 is wired to 3.3 V"},
    "sht4x": {0x44: "its type ends in A", 0x45: "its type ends in B", 0x46: "its type ends in C"},
}
FULL_NAMES = {
    "a02yyuw": "A02YYUW",
    "ads1115": "ADS1115",
    "amg8833": "AMG8833",
    "as7341": "AS7341",
    "bme280": "BME280",
    "ds3231": "DS3231",
    "ezo_ec": "EZO-EC",
    "ezo_ph": "EZO-pH",
    "ina226": "INA226",
    "inmp441": "INMP441",
    "lis3dh": "LIS3DH",
    "lis3mdl": "LIS3MDL",
    "max17048": "MAX17048",
    "sht4x": "SHT4x",
    "ds18b20": "DS18B20",
    "nmea_gnss": "GNSS receiver",
    "pms5003": "PMS5003",
    "pn532": "PN532",
    "scd41": "SCD41",
    "sdm120": "SDM120",
    "sgp41": "SGP41",
    "sps30": "SPS30",
    "veml7700": "VEML7700",
    "anemometer": "anemometer",
    "flow_meter": "flow meter",
    "mcp23017_inputs": "MCP23017",
    "mcp23017": "MCP23017",
    "mcp4725": "MCP4725",
    "pca9685": "PCA9685",
    "gate_drive": "gate drive",
    "relay": "relay",
    "tipping_bucket": "rain gauge",
    "contact": "contact",
}
RANGES = {
    "a02yyuw": "the target is nearer than 30 mm, beyond 4.5 m or gives no echo: look for water at the "
    "sensor's face, spider webs, or a beam that hits the wall",
    "anemometer": "more wind than there is: check `slope` and `offset`, and raise `debounce_ms` if its contact bounces",
    "ads1115": "the input is beyond its full scale: check the sensor's supply and the divider at the input",
    "amg8833": "it is itself beyond -20 to 80 Cel, or sees what is beyond -20 to 100: give it air, or move it away",
    "as7341": "more light than its lowest gain can measure: put a diffuser before it, or turn it away from the lamp",
    "bme280": "the value is physically impossible: look for water in the housing, then replace the sensor",
    "ds3231": "the registers of time hold no date: set the clock",
    "ezo_ec": "more than 500,000 uS/cm is no water: check the probe's plug, and that the circuit's K is the probe's",
    "flow_meter": "more flow than a pipe carries: check `pulses_per_l`, and for a motor cable beside its wire",
    "inmp441": "louder than the microphone can hear (120 dB), or wind in its hole: put a wind screen on it, or move "
    "it away; then compare its level with a calibrator for `sensitivity_dbfs`",
    "ina226": "more than 81.9 mV over the shunt or 36 V at the bus: check the load, and that shunt_ohm is the shunt's",
    "lis3dh": "a shock beyond its full scale: set a larger range_g, and check what it is fixed to",
    "lis3mdl": "a field beyond its full scale: set a larger range_gauss, and look for a magnet or a cable near it",
    "max17048": "the cell's voltage is impossible: check the cell's holder and its two wires",
    "nmea_gnss": "the value is impossible: restart the receiver; if it is only `clock_error`, check the pulse's wire",
    "pms5003": "more than 1000 ug/m3: look for smoke, fog or spray at its inlet, then for dust on its fan",
    "scd41": "the value is impossible: let it run 3 minutes, then replace the sensor",
    "sdm120": "the value is beyond what the meter may carry: compare with its display, then its type plate",
    "sps30": "more than 1000 ug/m3 or 3000/cm3: look for smoke, fog or spray at its inlet, then let it clean its fan",
    "veml7700": "more light than full sun: look for a lamp or a mirror beside it, and at `window` in the board file",
}
SERIAL_SETTINGS = {
    "a02yyuw": "baud rate is 9600",
    "nmea_gnss": "baud rate is the receiver's (9600 as most are delivered)",
    "pms5003": "baud rate is 9600",
    "sdm120": "baud rate is that of the meter's menu (2400 as delivered), that A and B are not swapped",
}
STALLS = {
    "ezo_ec": "look at the sensor that its `temperature_from` names; then that EC is the circuit's only output "
    "(command O); then measure 3.3 V at the circuit",
    "ezo_ph": "look at the sensor that its `temperature_from` names, then measure 3.3 V at the circuit",
    "ds18b20": "85 Cel is what it shows after a loss of power: measure 3.3 V at the probe, and its 4.7 kOhm to 3.3 V",
    "inmp441": "the board was too busy to listen: lower `rate_hz`, or give it less else to do",
    "nmea_gnss": "give its antenna a free view of the sky and wait 15 minutes; with `pps_pin`, check that wire, too",
    "pn532": "set both of its switches to I2C, and measure its supply while a tag is on it: the field takes 100 mA",
    "sps30": "measure 5 V at the sensor while the board runs; clear its inlet: its fan stands or its laser failed",
    "sdm120": "the meter says that it is busy: wait a minute, then switch its supply off and on",
}


QUIET = {
    "ds18b20": "check that its yellow wire reaches the board's pin, with 4.7 kOhm to 3.3 V, its black one GND",
    "inmp441": "check 3.3 V between its VDD and GND, that its L/R is at GND, and its wires SCK, WS and SD",
}


def explain(code: int, chip: str, bus: str = "", address: int | str | None = None, pins: str = "") -> Hint:
    """What the code means and what to check, one line each.

    `bus` is the board file's name ("i2c0"), with its pins if known ("i2c0 (GP4 SDA, GP5 SCL)", or apart in
    `pins`); `address` an I2C address (0x76 or "0x76") or the name of a pin or UART.
    """
    if not pins and bus.endswith(")"):
        bus, _, pins = bus[:-1].partition(" (")
    number = _number(address)
    shown = f"0x{number:02x}" if number is not None else str(address or "")
    name = FULL_NAMES.get(chip, chip)
    strap = ADDRESS_STRAPS.get(chip, {}).get(number or 0, "")
    maker = _MAKERS.get(code, _internal)
    return maker(Fault(name, chip, _place(bus, shown, pins), _lines(bus, pins), strap))


def explain_actuator(code: int, kind: str, bus: str = "", address: int | str | None = None) -> Hint:
    """What an actuator's fault code (`motion`) means and what to check, one line each; `bus` is "" for one on pins."""
    number = _number(address)
    strap = ADDRESS_STRAPS.get(kind, {}).get(number or 0, "")
    place = _place(bus, f"0x{number:02x}" if number is not None else "", "")
    at = Fault(FULL_NAMES.get(kind, kind), kind, place, _lines(bus, ""), strap)
    return (_CHIP_FAULTS if bus else _PIN_FAULTS).get(code, _driver_failed)(at)


def _number(address: int | str | None) -> int | None:
    """An I2C address as a number, None for anything else."""
    if isinstance(address, str) and address.lower().startswith("0x"):
        return int(address, 16)
    return address if isinstance(address, int) else None


def _place(bus: str, shown: str, pins: str) -> str:
    """Text such as "0x76 on i2c0 (GP4 SDA, GP5 SCL)", "uart1" or "GP15"."""
    wires = f"{bus} ({pins})" if bus and pins else bus or pins
    if shown in {"", bus}:
        return wires or "its pins"
    return f"{shown} on {wires}" if wires else shown


def _lines(bus: str, pins: str) -> str:
    return pins or (f"the pins of {bus}" if bus else "its pins")


def _ok(at: Fault) -> Hint:
    return Hint(f"{at.name} at {at.place} works", "nothing")


def _nack(at: Fault) -> Hint:
    strap = f", that {at.strap}" if at.strap else ""
    return Hint(
        f"{at.name}: no answer at {at.place}",
        f"check that the {at.name} has 3.3 V between its VCC and GND pins{strap}, and that SDA and SCL are not "
        f"swapped ({at.lines})",
    )


def _sda_low(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: SDA is held low at {at.place}; nine clocks did not free it",
        "unplug the chips of this bus one by one until SDA reads 3.3 V; then check the cable for a short from "
        f"SDA to ground ({at.lines})",
    )


def _scl_low(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: SCL is held low at {at.place}",
        f"check the cable for a short from SCL to ground, and that SCL has a pull-up (4.7 kOhm to 3.3 V) ({at.lines})",
    )


def _timeout(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: transfer timed out at {at.place}",
        f"check pull-ups (4.7 kOhm to 3.3 V) on SDA and SCL, cable length under 1 m, and a common ground ({at.lines})",
    )


def _bad_id(at: Fault) -> Hint:
    strap = f", that {at.strap}" if at.strap else ""
    return Hint(
        f"{at.name}: a chip answers at {at.place}, but not as a {at.name} does",
        f"check that the chip is a {at.name}{strap}, that no other chip has this address, and that its "
        "supply holds 3.3 V",
    )


def _bad_checksum(at: Fault) -> Hint:
    if at.chip in SERIAL_SETTINGS:
        return Hint(
            f"{at.name}: bytes arrive at {at.place}, but no valid frame",
            f"check that the sensor's TX goes to the board's RX, that the {SERIAL_SETTINGS[at.chip]}, and the "
            f"common ground ({at.lines})",
        )
    return Hint(
        f"{at.name}: checksum wrong at {at.place}",
        f"check for a loose plug, a cable over 1 m or beside mains or motor cables, and the chip's supply ({at.lines})",
    )


def _silent(at: Fault) -> Hint:
    wires = f"check that the {at.name} has power (3.3 to 5 V) and that its TX wire reaches the board's RX"
    return Hint(f"{at.name}: nothing received at {at.place}", f"{QUIET.get(at.chip, wires)} ({at.lines})")


def _out_of_range(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: value at {at.place} is outside what it can measure",
        RANGES.get(at.chip, "check the sensor, its scale and its limits in the board file"),
    )


def _not_ready(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: answers at {at.place}, but has no measurement",
        STALLS.get(
            at.chip,
            f"the supply probably dips: measure 3.3 V at the {at.name} while the board runs; a new start "
            "follows by itself",
        ),
    )


def _internal(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: the driver or its configuration failed at {at.place}",
        "read the board's log, then check this sensor's entry in the board file",
    )


def _driver_failed(at: Fault) -> Hint:
    return Hint(f"{at.name}: its driver failed at {at.place}", "read the board's log, then check it in the board file")


def _not_obeyed(at: Fault) -> Hint:
    strap = f", that {at.strap}" if at.strap else ""
    return Hint(
        f"{at.name}: no answer at {at.place}, or it does not hold what it was told, or its feedback is not sound",
        f"scan; if it does not answer, check that it has 3.3 V{strap}, and that SDA and SCL are not swapped "
        f"({at.lines}); if it does, check that no other chip has this address, then the sensor that is its feedback",
    )


def _forgot(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: at {at.place} it lost its power or was told something by others; it is safe until the next order",
        f"measure its supply while the load runs, and look for another master on {at.lines}",
    )


def _late(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: what it moves was not where it should be in time",
        "look for what blocks it and whether its drive has power; then check travel_ms and the feedback's scale in the "
        "board file",
    )


def _blind(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: its feedback gives no sound position, so it stopped",
        "check the sensor that its feedback names, and the wire between both",
    )


def _both_ends(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: both limit switches are met",
        "check the switches and their wires: a cut wire of a switch that opens reads as met",
    )


def _ran_too_long(at: Fault) -> Hint:
    return Hint(
        f"{at.name}: it was on for its longest time",
        "find out why it had to run so long; the next order off clears it, max_on_ms in the board file is the limit",
    )


_CHIP_FAULTS = {motion.NO_FEEDBACK: _not_obeyed, motion.TRIPPED: _forgot, motion.TIMEOUT: _late}
_PIN_FAULTS = {
    motion.NO_FEEDBACK: _blind,
    motion.TRIPPED: _ran_too_long,
    motion.TIMEOUT: _late,
    motion.INTERLOCKED: _both_ends,
}
_MAKERS = {
    errors.NONE: _ok,
    errors.NACK: _nack,
    errors.SDA_LOW: _sda_low,
    errors.SCL_LOW: _scl_low,
    errors.TIMEOUT: _timeout,
    errors.BAD_ID: _bad_id,
    errors.BAD_CHECKSUM: _bad_checksum,
    errors.SILENT: _silent,
    errors.OUT_OF_RANGE: _out_of_range,
    errors.NOT_READY: _not_ready,
}
