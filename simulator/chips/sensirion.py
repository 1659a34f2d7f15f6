"""What virtual chips of Sensirion share: words of two bytes, each with its checksum.

Source: SHT4x datasheet 4.4, SGP41 datasheet 4.4, SCD4x datasheet 3.11, SPS30 datasheet 6.1.3: the same in all.
"""

SPOILT = 0x5A


def checksum(data: bytes) -> int:
    """CRC-8, polynomial 0x31, start 0xFF; 0x92 for BE EF."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31) & 0xFF if crc & 0x80 else crc << 1
    return crc


def with_checksum(two: bytes, corrupt: bool) -> bytes:
    """Two bytes and their checksum, a wrong one if `corrupt`."""
    return two + bytes((checksum(two) ^ (SPOILT if corrupt else 0),))
