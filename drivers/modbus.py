"""Modbus RTU, the master's side: what is sent to read input registers, and what came back.

Source: Modbus application protocol specification V1.1b3, 6.4 (function 4) and 7 (exceptions); Modbus over serial line
V1.02, 2.5.1 (frames end with 3.5 characters of silence) and 6.2.2 (checksum).
"""

from .errors import BAD_CHECKSUM, BAD_ID, NOT_READY, DriverError

READ_INPUT_REGISTERS = 4
OVERHEAD_BYTES = 5  # address, function, count, checksum
_EXCEPTION_BYTES = 5
_BUSY = (5, 6)  # acknowledge, server busy: all others mean that it never will


def crc16(buf, end: int) -> int:
    """Checksum of buf[:end]: polynomial 0xA001 (reflected), start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for index in range(end):
        crc ^= buf[index]
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def read_request(unit: int, first: int, count: int):
    """The eight bytes that ask a unit for `count` input registers from `first` on."""
    request = bytearray((unit, READ_INPUT_REGISTERS, first >> 8, first & 0xFF, count >> 8, count & 0xFF, 0, 0))
    crc = crc16(request, 6)
    request[6], request[7] = crc & 0xFF, crc >> 8
    return request


def gap_ms(baud: int) -> int:
    """The silence between two frames in ms: 3.5 characters of 11 bits, but 1.75 ms above 19200 baud; rounded up."""
    return 2 if baud > 19200 else 38500 // baud + 1


def frame_ms(size: int, baud: int) -> int:
    """How long `size` bytes take on the wire in ms, at 10 bits a byte, rounded up."""
    return 10000 * size // baud + 1


def answer_ends(answer, fill: int) -> int:
    """How many bytes this answer will have, 0 while that cannot be told."""
    if fill < 3:
        return 0
    return _EXCEPTION_BYTES if answer[1] & 0x80 else answer[2] + OVERHEAD_BYTES


def check_answer(answer, fill: int, request, meter) -> None:
    """Nothing, if answer[:fill] is the whole, sound answer to the request.

    Raises: DriverError with `meter.where()`.
    """
    crc = crc16(answer, fill - 2)
    found = answer[fill - 2] | answer[fill - 1] << 8
    if crc != found:
        raise DriverError(BAD_CHECKSUM, meter.where() + f": expected checksum 0x{crc:04x}, found 0x{found:04x}")
    if answer[0] != request[0] or answer[1] & 0x7F != request[1]:
        text = f": expected unit {request[0]} function {request[1]}, found {answer[0]} and {answer[1]}"
        raise DriverError(BAD_ID, meter.where() + text)
    if answer[1] & 0x80:
        code = NOT_READY if answer[2] in _BUSY else BAD_ID
        raise DriverError(code, meter.where() + f": exception {answer[2]}")
    expected = 2 * (request[4] << 8 | request[5])
    if answer[2] != expected:
        raise DriverError(BAD_ID, meter.where() + f": expected {expected} bytes, found {answer[2]}")
