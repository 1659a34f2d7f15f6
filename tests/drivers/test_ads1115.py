"""ADS1115: golden vectors of the datasheet's table of codes, and channels of an entry."""

from typing import Any

import pytest

from drivers import ads1115, errors
from simulator.chips import ads1115 as chip_ads1115

CASE = {
    "cfg": {"bus": "i2c0", "address": 0x48, "inputs": [0, 3, 1, 2]},
    "shows": ["inputs_v[0]", "inputs_v[3]", "inputs_v[1]", "inputs_v[2]"],
    "heap": 256,
    "too_early": None,  # it asks for more time
}


@pytest.mark.parametrize(
    ("code_raw", "volts"),
    [
        (0x7FFF, 2.048 * 32767 / 32768),
        (0x0001, 62.5e-6),
        (0x0000, 0.0),
        (0xFFFF, -62.5e-6),
        (0x8000, -2.048),
    ],
)
def test_codes_of_the_datasheet(code_raw: int, volts: float) -> None:
    """SBAS444E table 4, at full scale 2.048 V (62.5 uV a count, table 1)."""
    assert ads1115.compensate_volts(code_raw, 2.048) == pytest.approx(volts)


def test_channels_follow_the_listed_inputs() -> None:
    names = [channel[0] for channel in ads1115.channels({"inputs": [2, 0]})]
    assert names == ["input2", "input0"]
    assert len(ads1115.channels({})) == 1


def test_beyond_full_scale_is_no_reading(bench: Any) -> None:
    chip = chip_ads1115.make(bench.clock.ns)
    chip.inputs_v[0] = 2.0
    bench.virtual.add(chip)
    driver = ads1115.make(bench, {"bus": "i2c0", "full_scale_v": 1.024})
    with pytest.raises(errors.DriverError) as caught:
        bench.acquire(driver, 1)
    assert caught.value.code == errors.OUT_OF_RANGE


@pytest.mark.parametrize("rate_sps", [8, 128, 860])
def test_the_wait_covers_the_slowest_conversion(bench: Any, rate_sps: int) -> None:
    chip = chip_ads1115.make(bench.clock.ns)
    chip.inputs_v[0] = 1.0
    bench.virtual.add(chip)
    driver = ads1115.make(bench, {"bus": "i2c0", "rate_sps": rate_sps})
    assert driver.start() >= 1100 / rate_sps
    values = [0.0]
    for _ in range(1000 // rate_sps + 2):  # asked too early it asks for more time
        if not (wait_ms := driver.read_into(values)):
            break
        bench.clock.advance_ms(wait_ms)
    assert values[0] == pytest.approx(1.0, abs=0.0002)


def test_a_conversion_that_never_ends_is_a_fault(bench: Any) -> None:
    chip = chip_ads1115.make(bench.clock.ns)
    bench.virtual.add(chip)
    driver = ads1115.make(bench, {"bus": "i2c0", "rate_sps": 8})
    bench.clock.advance_ms(driver.start())
    chip._done_ns = 1 << 62
    with pytest.raises(errors.DriverError, match="did not end") as caught:
        for _ in range(1000):
            bench.clock.advance_ms(driver.read_into([0.0]))
    assert caught.value.code == errors.NOT_READY
