"""Virtual PN532 reader for contactless tags, written from its user manual.

Source: NXP UM0701-02 revision 02 (November 2007): frames 6.2.1, dialogue 6.2.2, I2C 6.2.4 (each read begins with a byte
that says whether a frame is ready), commands 7.2 and 7.3; low-battery mode until SAMConfiguration: AN10609_3. How long
things take is not published: 1 ms for an acknowledgement, 2 for an answer, 10 for each time a tag is asked for. The
physical side is `identity` of a tag of ISO/IEC 14443 type A and `coupling` to it, which is enough from a half on.
"""

from .base import Clock, I2CChip, Range

ACK = bytes((0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00))
REFUSAL = bytes((0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00))
START = b"\x00\xff"
HOST_TO_CHIP, CHIP_TO_HOST = 0xD4, 0xD5
FIRMWARE_VERSION, SAM_CONFIGURATION, POWER_DOWN, RF_CONFIGURATION = 0x02, 0x14, 0x16, 0x32
LIST_PASSIVE_TARGET, RELEASE = 0x4A, 0x52
RETRIES_ITEM = 5
FOR_EVER = 0xFF
TYPE_A = 0
VERSION = bytes((0x32, 0x01, 0x06, 0x07))
SENS_RES = {4: b"\x00\x04", 7: b"\x00\x44", 10: b"\x00\x84"}
SEL_RES = 0x08
ACK_NS, ANSWER_NS, TRY_NS = 1_000_000, 2_000_000, 10_000_000
READY, BUSY = b"\x01", b"\x00"


class PN532(I2CChip):
    """The reader; its address is fixed. `corrupt`: the last byte of data in each answer is wrong."""

    def __init__(self, clock: Clock, address: int = 0x24) -> None:
        super().__init__(address, clock)
        self.identity = bytes.fromhex("04a1b2c3d4e580")
        self.coupling = 1.0
        self.corrupt = False
        self.power_on()

    def sample_range(self) -> dict[str, Range]:
        """A tag is read or not."""
        return {"coupling": Range(0.0, 1.0, 0.5)}

    def power_on(self) -> None:
        """In low-battery mode: only SAMConfiguration is answered."""
        self._awake = False
        self._retries = FOR_EVER
        self._outbox: list[tuple[int, bytes]] = []
        self._looking_ns = 0
        self._tries_left = 0

    def write(self, data: bytes) -> None:
        """A frame of a command, which ends the one before; an acknowledgement by the host only ends it."""
        if ACK in data:
            self._end()
            return
        command = unpacked(data)
        if command:
            self._end()
            self._hear(command[0], command[1:])

    def read(self, count: int) -> bytes:
        """Whether a frame is ready, then the frame; reading only the first byte leaves it there."""
        self._look()
        if not self._outbox or self._outbox[0][0] > self._clock():
            return BUSY.ljust(count, b"\0")
        frame = self._outbox[0][1]
        if count > 1:
            del self._outbox[0]
        return (READY + frame).ljust(count, b"\0")[:count]

    def _end(self) -> None:
        self._outbox.clear()
        self._looking_ns = 0

    def _hear(self, command: int, arguments: bytes) -> None:
        if not self._awake and command != SAM_CONFIGURATION:
            return
        self._outbox.append((self._clock() + ACK_NS, ACK))
        answer = self._execute(command, arguments)
        if answer is not None:
            self._outbox.append((self._clock() + ANSWER_NS, answer))

    def _execute(self, command: int, arguments: bytes) -> bytes | None:
        """The frame that answers, None if it comes later."""
        if command == LIST_PASSIVE_TARGET and len(arguments) == 2 and arguments[1] == TYPE_A:
            self._looking_ns, self._tries_left = self._clock() + ANSWER_NS, self._retries + 1
            return None
        data = self._obey(command, arguments)
        return REFUSAL if data is None else self._packed(command, data)

    def _obey(self, command: int, arguments: bytes) -> bytes | None:
        """What the answer holds, None if the command or its arguments are none that it has."""
        data: bytes | None = None
        if command == FIRMWARE_VERSION and not arguments:
            data = VERSION
        elif command == SAM_CONFIGURATION and arguments and 1 <= arguments[0] <= 4:
            self._awake, data = True, b""
        elif command == RF_CONFIGURATION and len(arguments) == 4 and arguments[0] == RETRIES_ITEM:
            self._retries, data = arguments[3], b""
        elif command == POWER_DOWN and arguments:
            self._awake, data = False, b"\0"
        elif command == RELEASE and len(arguments) == 1:
            data = b"\0"
        return data

    def _look(self) -> None:
        """Ask for a tag as often as was due since the last look."""
        while self._looking_ns and self._clock() >= self._looking_ns + TRY_NS:
            self._looking_ns += TRY_NS
            if self._retries != FOR_EVER:
                self._tries_left -= 1
            if self.coupling >= 0.5:
                self._found(self._target())
            elif not self._tries_left:
                self._found(b"\0")

    def _found(self, targets: bytes) -> None:
        self._outbox.append((self._looking_ns, self._packed(LIST_PASSIVE_TARGET, targets)))
        self._looking_ns = 0

    def _target(self) -> bytes:
        """One target, number 1 (7.3.5)."""
        size = len(self.identity)
        return b"\x01\x01" + SENS_RES[size] + bytes((SEL_RES, size)) + self.identity

    def _packed(self, command: int, data: bytes = b"") -> bytes:
        body = bytes((CHIP_TO_HOST, command + 1)) + data
        checksum = (0x100 - sum(body) % 0x100) % 0x100
        if self.corrupt:
            body = body[:-1] + bytes((body[-1] ^ 0x10,))
        return b"\x00\x00\xff" + bytes((len(body), 0x100 - len(body))) + body + bytes((checksum, 0))


def unpacked(data: bytes) -> bytes:
    """Command and arguments of a frame; empty if it is none or one of its checksums is wrong."""
    start = data.find(START) + len(START)
    if start < len(START) or len(data) < start + 2:
        return b""
    length = data[start]
    body, rest = data[start + 2 : start + 2 + length], data[start + 2 + length :]
    if (length + data[start + 1]) % 0x100 or len(body) != length or not rest or (sum(body) + rest[0]) % 0x100:
        return b""
    return body[1:] if length > 1 and body[0] == HOST_TO_CHIP else b""


def make(clock: Clock, address: int = 0x24) -> PN532:
    """A reader with a tag on it."""
    return PN532(clock, address)
