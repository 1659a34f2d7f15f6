"""minimalmodbus reads the virtual SDM120 over its line."""

from typing import Any

NEEDS = "minimalmodbus"


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    import minimalmodbus  # noqa: PLC0415

    meter = minimalmodbus.Instrument(bench.serial, 1)
    chip.voltage_v, chip.current_a, chip.phase_rad, chip.imported_kwh = 231.5, 3.0, 0.0, 77.25
    bench.near(meter.read_float(0x0000, functioncode=4), 231.5, 1e-4)
    bench.near(meter.read_float(0x0006, functioncode=4), 3.0, 1e-5)
    bench.near(meter.read_float(0x000C, functioncode=4), 694.5, 1e-3)
    bench.near(meter.read_float(0x0048, functioncode=4), 77.25, 1e-4)
    bench.near(meter.read_float(0x001C, functioncode=3), 0.0, 0)
    try:
        meter.read_registers(0, 80, functioncode=4)
    except minimalmodbus.IllegalRequestError:
        return
    raise AssertionError("more than 30 parameters were answered")
