"""Turns a checked board file into what the board reads (board.json, board.txt) and says of itself (manifest)."""

import math
import re
from typing import Any

from drivers import errors, hints, motion
from drivers.counts import COUNTS
from protocol.manifest import ActuatorInfo, ChannelInfo, Manifest, SensorInfo

from . import periods, pins
from .board_file import driver_channels, driver_module
from .driver_config import actuator_config
from .schema import Actuator, BoardFile, Channel, Sensor, Uart

BLOCK_KB = 4
MARGIN_S = 20  # seconds between two writes of state.json; a reserved block of numbers covers twice this time
FAULTS = (motion.OK, motion.INTERLOCKED, motion.TRIPPED, motion.OUT_OF_RANGE, motion.NO_FEEDBACK, motion.TIMEOUT)
STEPS_PER_SIGMA = math.sqrt(12.0)
NEVER = 1e38  # a threshold that no float32 sample of a sensor crosses


def sensor_channels(sensor: Sensor) -> tuple[Channel, ...]:
    """Return the sensor's Datastreams: those of the board file, or all the driver has under its own names."""
    if sensor.channels:
        return sensor.channels
    return tuple(Channel(name=f"{sensor.name}_{channel[0]}", reads=channel[0]) for channel in driver_channels(sensor))


def manifest(board: BoardFile, thing: str) -> Manifest:
    """Return the manifest of the board as Thing `thing`."""
    sensors = [
        SensorInfo(index, s.name, s.chip, s.bus or s.uart or s.i2s or "", _address(s), s.period_ms)
        for index, s in enumerate(board.sensors)
    ]
    channels: list[ChannelInfo] = []
    for index, sensor in enumerate(board.sensors):
        for channel in sensor_channels(sensor):
            channels.append(_channel_info(len(channels), index, sensor, channel))
    actuators = [
        ActuatorInfo(i, a.name, a.kind, a.lower, a.upper, a.safe, a.feedback or "", a.lease_ms, a.travel_ms)
        for i, a in enumerate(board.actuators)
    ]
    return Manifest(thing, board.board, sensors, channels, actuators)


def _address(sensor: Sensor) -> str:
    """Return where the sensor is, as text for people."""
    if sensor.address is not None:
        return f"0x{sensor.address:02x}"
    return sensor.pin or sensor.uart or sensor.i2s or ""


def _channel_info(index: int, sensor_index: int, sensor: Sensor, channel: Channel) -> ChannelInfo:
    """Return a channel with what the board file leaves out taken from its driver, scaled."""
    driver = next(entry for entry in driver_channels(sensor) if entry[0] == channel.reads)
    lower, upper = _range(driver, channel)
    return ChannelInfo(
        index,
        channel.name,
        sensor_index,
        channel.property or driver[1],
        channel.unit or driver[2],
        lower,
        upper,
        sigma_of_reading(driver, channel),
        channel.fuse,
        channel.sigma_of,
    )


def sigma_of_reading(driver: tuple[Any, ...], channel: Channel) -> float:
    """Return the combined standard uncertainty of one reading, in the channel's unit.

    What the board file says, else the driver's accuracy and its resolution, a rectangular distribution, scaled; 0 for
    states and counts, which are exact. A calibration adds its part on the board (firmware/console/settings.py).
    Source: JCGM 100:2008 (GUM), 5.1.2 (independent parts), F.2.2.1 (resolution: step / sqrt(12)).
    """
    if channel.sigma is not None:
        return float(channel.sigma)
    sigma, step = abs(channel.scale) * float(driver[5]), abs(channel.scale) * float(driver[6])
    return float(f"{math.hypot(sigma, step / STEPS_PER_SIGMA):.4g}") if sigma else 0.0


def _range(driver: tuple[Any, ...], channel: Channel) -> tuple[float, float]:
    """Return (lower, upper) of a channel in its own unit."""
    ends = sorted(channel.offset + channel.scale * float(end) for end in driver[3:5])
    lower = channel.lower if channel.lower is not None else ends[0]
    upper = channel.upper if channel.upper is not None else ends[1]
    return float(lower), float(upper)


def facts(board: BoardFile) -> dict[str, str]:
    """Return the files that the board's console reads line by line: firmware/console/run.py says what is in them."""
    rows: list[tuple[Any, ...]] = []
    hinted = ""
    for index, sensor in enumerate(board.sensors):
        shortest = periods.shortest_ms(driver_module(sensor.chip), sensor.polled)
        wires = (sensor.bus or sensor.uart or sensor.i2s or "", _address(sensor))
        rows.append(("s", sensor.name, index, sensor.chip, *wires, sensor.period_ms, shortest, len(hinted.encode())))
        for code in range(1, len(errors.NAMES)):
            hint = hints.explain(code, sensor.chip, *wires)
            hinted += f"{code}\t{hint.what}; {hint.check}\n"
    for index, actuator in enumerate(board.actuators):
        place = (actuator.bus or "", "" if actuator.address is None else f"0x{actuator.address:02x}")
        times = (actuator.lease_ms, actuator.travel_ms)
        rows.append(("a", actuator.name, index, actuator.kind, *place, *times, len(hinted.encode())))
        for code in FAULTS:
            hint = hints.explain_actuator(code, actuator.kind, *place)
            hinted += f"{code}\t{hint.what}; {hint.check}\n"
    told = manifest(board, "").channels
    rows += [("c", c.name, c.sensor, c.unit, c.lower, c.upper, c.sigma) for c in told]
    return {"board.txt": "".join("\t".join(map(str, row)) + "\n" for row in rows), "hints.txt": hinted}


def board_config(board: BoardFile, thing: str) -> dict[str, Any]:
    """Return what the firmware reads at start: docs/firmware.md describes it as board.json."""
    config = _config(board, thing)
    return _numbered(config) if pins.MCUS[board.mcu].prefix == "GPIO" else config


def _numbered(value: Any) -> Any:
    """Return JSON with GPIO4 as 4: MicroPython's esp32 port knows pins by name only where somebody named them."""
    if isinstance(value, dict):
        return {key: _numbered(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbered(part) for part in value]
    return int(value[4:]) if isinstance(value, str) and re.fullmatch(r"GPIO\d+", value) else value


def _config(board: BoardFile, thing: str) -> dict[str, Any]:
    """Return board.json with pins by their names."""
    inputs = {"stop": board.stop, "jumper": board.jumper}
    flash = {"flash": board.flash.size_kb // BLOCK_KB} if board.flash else {}
    i2s = {"i2s": {name: {"id": int(name[-1]), **lines.model_dump()} for name, lines in board.i2s.items()}}
    return {
        **{key: [wire.pin, wire.pull, int(wire.active == "high")] for key, wire in inputs.items() if wire},
        **_limits(board),
        **flash,
        **(i2s if board.i2s else {}),
        "thing": thing,
        "board": board.board,
        "mcu": board.mcu,
        "watchdog_ms": board.watchdog_ms,
        "status_ms": board.status_ms,
        "ring": board.ring.records,
        "block": _block(board),
        "led": board.led or "",
        "link": board.link.model_dump(),
        "i2c": {name: {"id": int(name[-1]), **bus.model_dump()} for name, bus in board.buses.items()},
        "uarts": {name: {"id": int(name[-1]), **_uart(uart)} for name, uart in board.uarts.items()},
        "outputs": [
            [output.pin, int(not output.active_high)]
            for actuator in board.actuators
            for output in actuator.outputs.values()
        ],
        "interlocks": _interlocks(board),
        "sensors": _sensors(board),
        "actuators": [actuator_config(actuator, _position(board, actuator)) for actuator in board.actuators],
    }


def _limits(board: BoardFile) -> dict[str, Any]:
    """Return the longest run of outputs in ms, nothing if none is limited: the code for it is loaded only then."""
    outputs = [output for actuator in board.actuators for output in actuator.outputs.values()]
    found = [[output.pin, output.max_on_ms] for output in outputs if output.max_on_ms]
    return {"limits": found} if found else {}


def _uart(uart: Uart) -> dict[str, Any]:
    """Return a UART's keys; those of a transceiver only if there is one, as every key takes room on the board."""
    return uart.model_dump(exclude=set() if uart.de else {"de", "turnaround_us"})


def _block(board: BoardFile) -> int:
    """Return how many sequence numbers to reserve at a time."""
    per_second = sum(1000 / s.period_ms * len(sensor_channels(s)) for s in board.sensors)
    return int(per_second * 2 * MARGIN_S) + 64


def _interlocks(board: BoardFile) -> list[dict[str, Any]]:
    """Return the exclusive outputs as pins."""
    pin_of = {f"{a.name}.{key}": output.pin for a in board.actuators for key, output in a.outputs.items()}
    return [
        {"pins": [pin_of[output] for output in lock.outputs], "min_off_ms": lock.min_off_ms}
        for lock in board.interlocks
    ]


def _flush_at(sensor: Sensor) -> dict[str, Any]:
    """Return where samples of each channel leave at once, nothing if none do."""
    found = [NEVER if channel.flush_at is None else channel.flush_at for channel in sensor_channels(sensor)]
    return {"flush": found} if min(found) < NEVER else {}


def _steps(sensor: Sensor) -> dict[str, Any]:
    """Return what a count of each channel is worth to the driver, 0 where its values are none."""
    return {"steps": [COUNTS.get((sensor.chip, channel.reads), 0) for channel in sensor_channels(sensor)]}


def _sensors(board: BoardFile) -> list[dict[str, Any]]:
    """Return each sensor: what its driver needs, and [channel, driver's place, scale, offset, lower, upper]."""
    entries = []
    index = 0
    for sensor in board.sensors:
        names = [channel[0] for channel in driver_channels(sensor)]
        rows = []
        for channel in sensor_channels(sensor):
            driver = driver_channels(sensor)[names.index(channel.reads)]
            rows.append([index, names.index(channel.reads), channel.scale, channel.offset, *_range(driver, channel)])
            index += 1
        entries.append(
            {
                "name": sensor.name,
                "chip": sensor.chip,
                "period_ms": sensor.period_ms,
                "width": len(names),
                "names": [channel.name for channel in sensor_channels(sensor)],
                "channels": rows,
                **_flush_at(sensor),
                **(_steps(sensor) if board.flash else {}),
                **_wires(board, sensor),
                **sensor.options,
            }
        )
    return entries


def _wires(board: BoardFile, sensor: Sensor) -> dict[str, Any]:
    """Return how the sensor is connected, in its driver's keys."""
    if sensor.bus:
        return {"bus": sensor.bus, "address": sensor.address}
    if sensor.uart:
        return {"bus": sensor.uart, "baud": board.uarts[sensor.uart].baud}  # type: ignore[index]
    if sensor.i2s:
        return {"bus": sensor.i2s}
    return {"pin": sensor.pin, "pull": sensor.pull}


def _position(board: BoardFile, actuator: Actuator) -> list[str]:
    """Return [sensor, channel] of what shows where an actuator is; [] without."""
    return [_sensor_of(board, actuator.feedback), actuator.feedback] if actuator.feedback else []


def _sensor_of(board: BoardFile, channel: str) -> str:
    """Return the name of the sensor that has the channel."""
    return next(s.name for s in board.sensors if channel in [c.name for c in sensor_channels(s)])
