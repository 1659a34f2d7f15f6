"""What a count of a channel is worth, where a driver's value is exactly zero + num * count / den. Not on boards.

The flash ring packs counts where a value is one, bit by bit, and floats where it is none: so a wrong entry costs room,
nothing else. The numbers are those of the datasheet sections that the drivers name beside their `compensate_*`.
"""

COUNTS = {
    ("a02yyuw", "distance"): (0, 1, 1),
    ("amg8833", "housing"): (0, 1, 16),
    ("bme280", "humidity"): (0, 1, 1024),
    ("bme280", "temperature"): (0, 1, 5120),
    ("ds18b20", "temperature"): (0, 1, 16),
    ("ds3231", "temperature"): (0, 1, 4),
    ("lis3mdl", "temperature"): (25, 1, 8),
    ("max17048", "charge"): (0, 1, 256),
    ("pms5003", "pm1"): (0, 1, 1),
    ("pms5003", "pm10"): (0, 1, 1),
    ("pms5003", "pm2_5"): (0, 1, 1),
    ("scd41", "co2"): (0, 1, 1),
    ("scd41", "humidity"): (0, 100, 65535),
    ("scd41", "temperature"): (-45, 175, 65535),
    ("sgp41", "nox_raw"): (0, 1, 1),
    ("sgp41", "voc_raw"): (0, 1, 1),
    ("sht4x", "humidity"): (-6, 125, 65535),
    ("sht4x", "temperature"): (-45, 175, 65535),
}
