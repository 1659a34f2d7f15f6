"""Sensirion's own driver reads the virtual SCD41 through the face of machine.I2C."""

from typing import Any

NEEDS = "sensirion_i2c_scd4x"
CHIP = "scd41"


class Transceiver:
    """Their interface to a bus (`sensirion_i2c_driver.transceiver_v1`), over `machine.I2C`'s face."""

    API_VERSION = 1
    STATUS_OK, _, STATUS_NACK = range(3)
    channel_count = None
    description = "virtual"

    def __init__(self, bench: Any) -> None:
        self._bench = bench

    def transceive(self, slave_address: int, tx_data: Any, rx_length: Any, read_delay: float, timeout: float) -> Any:
        """Write, let time pass, read."""
        try:
            if tx_data is not None:
                self._bench.machine.writeto(slave_address, bytes(tx_data))
            self._bench.clock.sleep(read_delay)
            found = self._bench.machine.readfrom(slave_address, rx_length) if rx_length else b""
        except OSError as error:
            return self.STATUS_NACK, error, b""
        return self.STATUS_OK, None, found


def check(bench: Any, chip: Any) -> None:
    """Raises: AssertionError naming expected and found."""
    from sensirion_driver_adapters.i2c_adapter.i2c_channel import I2cChannel  # noqa: PLC0415
    from sensirion_i2c_driver import CrcCalculator, I2cConnection  # noqa: PLC0415
    from sensirion_i2c_scd4x.device import Scd4xDevice  # noqa: PLC0415

    chip.co2_ppm, chip.temperature_cel, chip.humidity_pct = 777.0, 22.5, 33.0
    connection = I2cConnection(Transceiver(bench))
    driver = Scd4xDevice(I2cChannel(connection, slave_address=0x62, crc=CrcCalculator(8, 0x31, 0xFF, 0x0)))
    driver.wake_up()
    driver.stop_periodic_measurement()
    driver.reinit()
    assert driver.get_serial_number()
    driver.start_periodic_measurement()
    bench.clock.sleep(5.1)
    assert driver.get_data_ready_status()
    co2, temperature, humidity = driver.read_measurement()
    bench.near(co2.value, 777, 0.5)
    bench.near(temperature.value, 22.5, 0.005)
    bench.near(humidity.value, 33.0, 0.003)
