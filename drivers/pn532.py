"""PN532 reader for contactless tags (NXP), I2C: whether a tag of ISO/IEC 14443 type A is there, and a pseudonym of it.

Datasheet: NXP UM0701-02 revision 02 (November 2007), the user manual; section numbers refer to it.

| channel | property      | unit | range         | sigma |
|---------|---------------|------|---------------|-------|
| present | tag_present   | 1    | 0 .. 1        | 0     |
| tag     | tag_pseudonym | 1    | 0 .. 16777215 | 0     |

    sensor = make(io, {"bus": "i2c0", "salt": "correct horse battery staple"})
    wait_ms = sensor.start()
    while wait_ms := sensor.read_into(values):
        ...                         # come back after wait_ms: an acknowledgement, then an answer

A tag's identity never leaves this driver: `tag` is 24 bits of SHA-256 over `salt` and identity, 0 while there is none.
Without a salt there is no `tag` at all: `channels(cfg)`.

Board file keys: `bus`; `address` (0x24); `salt`: a secret of at least 16 characters.
Limits: sampled: a tag that comes and goes between two readings is missed. Of several tags one is told. Identities can
be copied: this tells that something is there, it grants nothing. Phones and passports make a new one each time.
"""

from .errors import BAD_CHECKSUM, BAD_ID, NOT_READY, DriverError

CHANNELS = (
    ("present", "tag_present", "1", 0, 1, 0, 1, 0, 0),
    ("tag", "tag_pseudonym", "1", 0, 16777215, 0, 1, 0, 0),
)
PERIOD_MIN_MS = 500

_SAM_CONFIGURATION = b"\x14\x01\x00\x01"  # 7.2.10: normal mode, which also ends the low-battery mode of power-up
_FIRMWARE_VERSION = b"\x02"  # 7.2.2
_FEW_RETRIES = b"\x32\x05\xff\x01\x02"  # 7.3.1, item 5: a tag is asked for three times; as delivered for ever
_LIST_ONE_TARGET = b"\x4a\x01\x00"  # 7.3.5: at most one, 106 kbit/s type A
_COMMANDS = (_SAM_CONFIGURATION, _FIRMWARE_VERSION, _FEW_RETRIES, _LIST_ONE_TARGET)
_FIRMWARE, _LIST = 1, 3

_TO_CHIP, _TO_HOST, _REFUSED = 0xD4, 0xD5, 0x7F  # 6.2.1
_IC = 0x32
_ACK = b"\x00\x00\xff\x00\xff\x00"
_HEAD = b"\x00\x00\xff"
_READY = 0x01  # 6.2.4: the first byte of each read
_FRAME_AT = 1
_LENGTH_AT = 4
_DATA_AT = 6
_IDENTITY_LENGTH_AT = _DATA_AT + 7  # 7.3.5: behind D5 4B, how many, its number, SENS_RES (2), SEL_RES
_IDENTITY_MAX = 10
_ANSWER_MAX = 48

_ACK_MS = 5  # 15 ms at most, says 6.2.2; most take one
_AGAIN_MS = 20
_AGAIN_MAX = 15
_SALT_MIN = 16


def frame(command: bytes) -> bytes:
    """The frame of a command: start, length, its checksum, direction, command, their checksum (6.2.1.1)."""
    length = len(command) + 1
    total = -(_TO_CHIP + sum(command)) & 0xFF
    return _HEAD + bytes((length, -length & 0xFF, _TO_CHIP)) + command + bytes((total, 0))


def pseudonym(salt: bytes, identity: bytes) -> int:
    """1 to 16777215 for a tag's identity: the first 24 bits of SHA-256 over salt and identity, 1 instead of 0."""
    from hashlib import sha256  # noqa: PLC0415 - only boards with a salt need it

    digest = sha256(salt + identity).digest()
    return digest[0] << 16 | digest[1] << 8 | digest[2] or 1


def channels(cfg) -> tuple:
    """The channels of an entry: `tag` only with a `salt`."""
    return CHANNELS if cfg.get("salt") else CHANNELS[:1]


class PN532:
    """The reader at an address of an I2C bus. `salt` is None where pseudonyms are not wanted."""

    def __init__(self, bus, address: int = 0x24, salt=None) -> None:
        self._bus = bus
        self._address = address
        self._salt = salt
        self._acknowledgement = bytearray(1 + len(_ACK))
        self._answer = bytearray(_ANSWER_MAX)
        self._asking = frame(_LIST_ONE_TARGET)
        self._place = self._again = 0
        self._known = self._started = self._acknowledged = False

    def start(self) -> int:
        """Ask for a tag, the first time after setting up; wait in ms before `read_into`. Raises: DriverError."""
        known, self._known, self._started = self._known, False, False
        wait_ms = self._send(_LIST if known else 0)
        self._known, self._started = known, True
        return wait_ms

    def read_into(self, values) -> int:
        """Put presence and pseudonym in `values`, or nothing yet: ms until the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        known, self._known, self._started = self._known, False, False
        buf = self._answer if self._acknowledged else self._acknowledgement
        self._bus.read_into(self._address, buf)
        if not buf[0] & _READY:
            wait_ms = self._later()
        elif not self._acknowledged:
            wait_ms = self._check_acknowledgement()
        else:
            wait_ms = self._take(values)
        self._started = wait_ms > 0
        self._known = known or not wait_ms
        return wait_ms

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"PN532 at 0x{self._address:02x} on {self._bus.name}"

    def _send(self, place: int) -> int:
        self._place, self._again, self._acknowledged = place, 0, False
        self._bus.write(self._address, self._asking if place == _LIST else frame(_COMMANDS[place]))
        return _ACK_MS

    def _later(self) -> int:
        """How long to wait on. Raises: DriverError if it was long enough."""
        self._again += 1
        if self._again > _AGAIN_MAX:
            what = "an answer" if self._acknowledged else "an acknowledgement"
            raise DriverError(NOT_READY, f"{self.where()}: {what} did not come (power dip?)")
        return _AGAIN_MS

    def _check_acknowledgement(self) -> int:
        for place in range(len(_ACK)):
            if self._acknowledgement[_FRAME_AT + place] != _ACK[place]:
                found = " ".join(f"{byte:02x}" for byte in self._acknowledgement[_FRAME_AT:])
                raise DriverError(BAD_CHECKSUM, f"{self.where()}: expected 00 00 ff 00 ff 00, found {found}")
        self._acknowledged, self._again = True, 0
        return _ACK_MS

    def _take(self, values) -> int:
        """Take the answer to the present command; ms to wait for that of the next, 0 if this was the tag."""
        length = self._check_frame()
        if self._place == _FIRMWARE and self._answer[_DATA_AT + 2] != _IC:
            found = self._answer[_DATA_AT + 2]
            raise DriverError(BAD_ID, f"{self.where()}: expected IC 0x{_IC:02x}, found 0x{found:02x}")
        if self._place < _LIST:
            return self._send(self._place + 1)
        identity = self._identity(length)
        values[0] = 1 if identity else 0
        if self._salt is not None:
            values[1] = pseudonym(self._salt, identity) if identity else 0
        return 0

    def _check_frame(self) -> int:
        """The length of the answer's data. Raises: DriverError, with no byte of it: it may be an identity."""
        answer, length = self._answer, self._answer[_LENGTH_AT]
        end = _DATA_AT + length + 1
        whole = bytes(answer[_FRAME_AT:_LENGTH_AT]) == _HEAD and length and end <= len(answer)
        if not whole or (length + answer[_LENGTH_AT + 1]) & 0xFF:
            raise DriverError(BAD_CHECKSUM, self.where() + ": the answer's head or length is wrong")
        total = 0
        for place in range(_DATA_AT, end):
            total += answer[place]
        if total & 0xFF:
            raise DriverError(BAD_CHECKSUM, self.where() + ": the answer's checksum is wrong")
        command = _COMMANDS[self._place][0]
        if answer[_DATA_AT] == _REFUSED:
            raise DriverError(BAD_ID, f"{self.where()}: refused command 0x{command:02x}")
        if length < 2 or answer[_DATA_AT] != _TO_HOST or answer[_DATA_AT + 1] != command + 1:
            raise DriverError(NOT_READY, f"{self.where()}: the answer is not one to command 0x{command:02x}")
        return length

    def _identity(self, length: int) -> bytes:
        """The tag's identity, empty without a tag."""
        if length >= 3 and not self._answer[_DATA_AT + 2]:
            return b""
        size = self._answer[_IDENTITY_LENGTH_AT]
        if length < 8 + size or not 0 < size <= _IDENTITY_MAX:
            raise DriverError(BAD_CHECKSUM, self.where() + ": the answer's identity is cut")
        return bytes(self._answer[_IDENTITY_LENGTH_AT + 1 : _IDENTITY_LENGTH_AT + 1 + size])


def make(io, cfg) -> PN532:
    """The reader that a board file's entry describes. Raises: ValueError for a salt that can be guessed."""
    salt = cfg.get("salt")
    if salt is not None and len(salt) < _SALT_MIN:
        raise ValueError(
            f"pn532: expected a salt of {_SALT_MIN} characters or more, found {len(salt)}: make one by chance"
        )
    return PN532(io.i2c(cfg["bus"]), cfg.get("address") or 0x24, salt.encode() if salt else None)
