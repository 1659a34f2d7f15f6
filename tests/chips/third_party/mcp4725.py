"""adafruit-circuitpython-mcp4725 sets the virtual MCP4725 and reads it back."""

from typing import Any

NEEDS = "adafruit_mcp4725"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from adafruit_mcp4725 import MCP4725  # noqa: PLC0415

    driver = MCP4725(bench.busio, address=0x60)
    bench.near(driver.raw_value, 0x800, 0)
    for raw in (0, 1, 0x123, 4095):
        driver.raw_value = raw
        bench.near(driver.raw_value, raw, 0)
        bench.near(chip.output_v, chip.supply_v * raw / 4096, 1e-9)
    driver.normalized_value = 0.25
    bench.near(chip.output_v, chip.supply_v / 4, chip.supply_v / 4095)
    bench.near(chip.eeprom_writes, 0, 0)
    driver.save_to_eeprom()
    bench.near(chip.eeprom[1], chip.register[1], 0)
