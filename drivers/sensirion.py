"""The checksum of Sensirion's I2C chips: one byte after every two, polynomial 0x31, start 0xFF.

Source: SPS30 datasheet version 1.0 (March 2020) section 6.1.3, SGP41 datasheet version 1.0 (July 2021) section 4.4:
0x92 for BE EF.
"""

from .errors import BAD_CHECKSUM, DriverError


def crc8(buf, start: int, end: int) -> int:
    """Checksum of buf[start:end]."""
    crc = 0xFF
    for index in range(start, end):
        crc ^= buf[index]
        for _ in range(8):
            crc = (crc << 1) ^ (0x131 if crc & 0x80 else 0)
    return crc


def set_crc(command):
    """The command, with the checksum of each argument (2 bytes and room for it) after its first two bytes filled in."""
    for start in range(2, len(command), 3):
        command[start + 2] = crc8(command, start, start + 2)
    return command


def check_words(answer, chip) -> None:
    """Nothing, if the checksum of each word is right. Raises: DriverError with `chip.where()`."""
    for start in range(0, len(answer), 3):
        expected = crc8(answer, start, start + 2)
        if answer[start + 2] != expected:
            text = f": expected checksum 0x{expected:02x}, found 0x{answer[start + 2]:02x}"
            raise DriverError(BAD_CHECKSUM, chip.where() + text)
