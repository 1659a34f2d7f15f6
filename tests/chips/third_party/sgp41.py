"""Sensirion's own sensirion-i2c-sgp4x reads the virtual SGP41."""

from typing import Any

from tests.chips import sensirion_wire

NEEDS = "sensirion_i2c_sgp4x"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from sensirion_i2c_driver import I2cConnection  # noqa: PLC0415
    from sensirion_i2c_sgp4x import Sgp41I2cDevice  # noqa: PLC0415

    chip.voc_raw, chip.nox_raw = 29_123.0, 15_432.0
    driver = Sgp41I2cDevice(I2cConnection(sensirion_wire.Transceiver(bench)))
    assert driver.get_serial_number() == 0x000001A2B3C4
    assert driver.measure_test() == 0xD400
    bench.near(driver.conditioning().ticks, 29_123, 0)
    bench.clock.sleep(9)
    voc, nox = driver.measure_raw(relative_humidity=80.0, temperature=10.0)
    bench.near(voc.ticks, 29_123, 0)
    bench.near(nox.ticks, 15_432, 0)
    bench.near(chip.told_humidity_pct, 80.0, 0.01)
    bench.near(chip.told_temperature_cel, 10.0, 0.01)
    driver.turn_heater_off()
