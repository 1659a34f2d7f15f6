"""pamoja-sensors, made for Linux in Rust, reads the virtual INA226 on a /dev/i2c-1 of umockdev."""

from pamoja.hal import I2cBus
from pamoja.sensors import Ina226

driver = Ina226(I2cBus.open("/dev/i2c-1"), 0x40, shunt_milliohms=10, max_microamps=8_000_000)
driver.init()
found = driver.measure()
print("mV", found.bus_microvolts // 1000)
print("mA", round(found.current_microamps / 10_000) * 10)
print("mW", round(found.power_microwatts / 100_000) * 100)
