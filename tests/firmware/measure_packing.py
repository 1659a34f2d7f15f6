"""How long a flash ring lasts: `python -m tests.firmware.measure_packing RECORDING.csv` prints bytes and hours.

Six channels at 1 Hz. RECORDING: UCI's room occupancy (id 357; columns Temperature, Humidity, CO2, one row a minute),
brought to 1 Hz in a straight line. Each channel goes through its chip's arithmetic: SCD41 (three, 16 bits), DS18B20
(1/16 degree), BME280's pressure (float32 of Pa/256), A02YYUW's level (whole mm, scaled as a board file does). `noise`:
with the chips' repeatability added as white noise (SCD41 datasheet 1.5, tables 1 to 3; BME280 datasheet 1.24, table 3;
1 mm). `jitter_us`: of each sensor's stamp, evenly to both sides. A page waits HOLD_MS at most, full or not.
APPLICATION: blocks of 4 KiB that littlefs takes for the bundle of the fullest board, 76 files of 103 KB.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from drivers.counts import COUNTS
from firmware.core.pack import SLACK, Packer
from firmware.core.spill import FRESH_HEADER, HEADER, HOLD_MS, PAGE, PER_SECTOR

CHANNELS, JITTER_US, SECONDS = 6, 300, 20_000
BLOCKS = {"Pico": 352, "Pico W": 212}
OTHERS = 20  # blocks: directories, what boards write, those that stay free
APPLICATION = {"one copy": 90, "two copies": 178, "two, each in one file": 52}
SENSOR_OF = (0, 0, 0, 1, 2, 3)
LEVEL = (-0.001, 4.0)
STEPS = [
    (*COUNTS["scd41", "co2"], 1, 0),
    (*COUNTS["scd41", "temperature"], 1, 0),
    (*COUNTS["scd41", "humidity"], 1, 0),
    (*COUNTS["ds18b20", "temperature"], 1, 0),
    None,
    (*COUNTS["a02yyuw", "distance"], *LEVEL),
]
RECORD = np.dtype([("channel", "u1"), ("quality", "u1"), ("stamp", "u1", 6), ("value", "<f4")])
Values = np.ndarray


def recording(path: Path) -> tuple[Values, Values, Values]:
    """Return temperature in degC, humidity in %, CO2 in ppm, one each second."""
    with path.open() as file:
        rows = list(csv.DictReader(file))[: SECONDS // 60 + 2]
    minutes = np.arange(SECONDS) / 60
    names = ("Temperature", "Humidity", "CO2")
    found = [np.interp(minutes, np.arange(len(rows)), [float(row[name]) for row in rows]) for name in names]
    return found[0], found[1], found[2]


def as_sent(path: Path, noise: float, rng: np.random.Generator) -> Values:
    """Return the values (SECONDS, CHANNELS) as float32."""

    def shaken(values: Values, sigma: float) -> Values:
        return values + noise * rng.normal(0.0, sigma, len(values))

    air, humidity, co2 = recording(path)
    pressure = 101_325.0 + 80.0 * np.sin(np.arange(SECONDS) / 7000)
    level = 1.8 + 0.3 * np.sin(np.arange(SECONDS) / 5000)
    columns = [
        np.round(shaken(co2, 10.0)),
        -45 + 175 * np.round((shaken(air, 0.1) + 45) / 175 * 65535) / 65535,
        100 * np.round(shaken(humidity, 0.4) / 100 * 65535) / 65535,
        np.round(shaken(air, 0.03) * 16) / 16,
        np.round(shaken(pressure, 1.3) * 256) / 256,
        LEVEL[1] + LEVEL[0] * np.round((4.0 - shaken(level, 0.001)) * 1000),
    ]
    return np.stack(columns, axis=1).astype("f4")


def worst(rng: np.random.Generator) -> Values:
    """Return values of which every bit is noise."""
    return rng.integers(0, 1 << 32, (SECONDS, CHANNELS), dtype=np.uint32).view("f4")


def records(values: Values, jitter_us: int, rng: np.random.Generator) -> bytes:
    """Return the records, by sensor and second."""
    late = rng.integers(-jitter_us, jitter_us + 1, (SECONDS, max(SENSOR_OF) + 1)) if jitter_us else 0
    seconds = np.arange(SECONDS)[:, None] * 1_000_000 + 5_000_000 + np.arange(max(SENSOR_OF) + 1) * 5000 + late
    found = np.zeros((SECONDS, CHANNELS), RECORD)
    found["channel"], found["quality"], found["value"] = np.arange(CHANNELS), 1, values
    stamps = seconds[:, list(SENSOR_OF)]
    for byte in range(6):
        found["stamp"][:, :, byte] = stamps >> 8 * byte & 0xFF
    return found.tobytes()


def pages(data: bytes) -> Iterator[int]:
    """Yield how many records each page takes."""
    packer, source, at = Packer(CHANNELS, STEPS), bytearray(data), 0
    number = 0
    while at < len(source):
        fresh = number % PER_SECTOR == 0
        if fresh:
            packer.reset()
        n = packer.begin(bytearray(PAGE + SLACK), FRESH_HEADER if fresh else HEADER, PAGE)
        until = at + HOLD_MS // 1000 * CHANNELS * 12
        at += 12 * n
        while at < min(len(source), until) and packer.put(source, at):
            at += 12
            n += 1
        yield n
        number += 1


def bytes_per_sample(values: Values, jitter_us: int, rng: np.random.Generator) -> float:
    """Return the bytes of flash, headers and rests of pages included."""
    full = list(pages(records(values, jitter_us, rng)))[:-1]
    return PAGE * len(full) / sum(full)


def main() -> None:
    """Print the figures."""
    path = Path(sys.argv[1])
    rng = np.random.default_rng(1)
    cases: dict[str, tuple[Callable[[], Values], int]] = {
        "steady values, exact stamps": (lambda: np.full((SECONDS, CHANNELS), 20.5, "f4"), 0),
        "recording": (lambda: as_sent(path, 0.0, rng), JITTER_US),
        "recording, noise": (lambda: as_sent(path, 1.0, rng), JITTER_US),
        "every bit noise": (lambda: worst(rng), JITTER_US),
    }
    for name, (make, jitter_us) in cases.items():
        size = bytes_per_sample(make(), jitter_us, rng)
        print(f"{name:28} {size:6.2f} bytes a sample")
        for copies, taken in APPLICATION.items():
            hours = [
                f"{board} {(blocks - OTHERS - taken) * 4096 / size / CHANNELS / 3600:5.1f} h"
                for board, blocks in BLOCKS.items()
            ]
            print(f"  {copies:26} {'   '.join(hours)}")


if __name__ == "__main__":
    main()
