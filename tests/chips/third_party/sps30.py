"""Sensirion's own sensirion-i2c-sps30 reads the virtual SPS30."""

from typing import Any

from tests.chips import sensirion_wire

NEEDS = "sensirion_i2c_sps30"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from sensirion_i2c_sps30.commands import OutputFormat  # noqa: PLC0415
    from sensirion_i2c_sps30.device import Sps30Device  # noqa: PLC0415

    chip.mass_ug_m3, chip.typical_um = [1.5, 22.25, 30.0, 41.0], 0.5
    driver = Sps30Device(sensirion_wire.channel(bench, 0x69))
    driver.wake_up_sequence()
    bench.clock.sleep(0.1)
    driver.stop_measurement()
    assert driver.read_product_type().startswith("00080000")
    for output, wanted in ((OutputFormat.OUTPUT_FORMAT_FLOAT, 22.25), (OutputFormat.OUTPUT_FORMAT_UINT16, 22)):
        driver.start_measurement(output)
        bench.clock.sleep(1.1)
        assert driver.read_data_ready_flag() == 1
        floats = output is OutputFormat.OUTPUT_FORMAT_FLOAT
        values = driver.read_measurement_values_float() if floats else driver.read_measurement_values_uint16()
        bench.near(values[1], wanted, 1e-5)
        bench.near(values[9], 0.5 if floats else 500, 1e-5)
        driver.stop_measurement()
    driver.sleep()
    assert chip.state == "sleeping"
    driver.wake_up_sequence()
    assert chip.state == "idle"
    bench.near(driver.read_auto_cleaning_interval(), 604_800, 0)
