"""What all EZO circuits of Atlas Scientific share on I2C: a command in ASCII, a wait, a response code, a text.

Source: EZO-pH datasheet V 5.8 (January 2021) and EZO-EC datasheet V 6.2 (September 2020), chapters "I2C mode".

Each reading tells the circuit the water's temperature (`T`, 300 ms), then asks for one value (`R`). The first one asks
before who is there (`I`).
"""

from .errors import BAD_CHECKSUM, BAD_ID, NOT_READY, DriverError, check_range

_OK, _SYNTAX, _PENDING, _NO_DATA = 1, 2, 254, 255
_SHORT_MS = 300  # what any command takes that measures nothing
_MORE_MS = 50
_MORE_MAX = 10
_LENGTH = 41  # a code, at most 40 characters
_GOOD = 1
_ASKING_WHO, _ASKING_MORE, _WAITING, _COMPENSATING, _MEASURING = range(5)
_PATIENCE, _PATIENT_MS = 2, 500  # for a thermometer that starts with the board: a DS18B20 takes 750 ms
STANDARD_CEL = 25.0  # what it compensates for unless told


def temperature_command(celsius: float) -> bytes:
    """The command that tells the temperature of the water in Cel."""
    return ("T,%.1f" % celsius).encode()


def value_of(text: str) -> float:
    """The number that is all of a response. Raises: ValueError."""
    if not text or text.strip("0123456789.") != "":  # float() takes more: exponents, nan, spaces
        raise ValueError(text)
    return float(text)


class EZO:
    """A circuit at an address of an I2C bus. `kind` is what it calls itself, `question` is asked after that once.

    `reading(sensor, channel)` gives (value, quality, age) of others; `cfg` is the board file's entry.
    """

    def __init__(self, bus, reading, cfg, kind: str, address: int, measuring_ms: int, channels) -> None:
        self._bus = bus
        self._reading = reading
        self._temperature_from = cfg.get("temperature_from")
        self._kind = kind
        self._address = cfg.get("address") or address
        self._measuring_ms = measuring_ms
        self._channels = channels
        self._answer = bytearray(_LENGTH)
        self._known = self._started = False
        self._step = self._asked = self._patience = 0
        self.question = b""

    def start(self) -> int:
        """Begin a reading; wait in ms before `read_into`. Raises: DriverError, also if the water's heat is unknown."""
        known, self._known, self._started = self._known, False, False
        self._patience = 0 if known else _PATIENCE
        wait_ms = self._compensate() if known else self._send(b"I", _ASKING_WHO, _SHORT_MS)
        self._known, self._started = known, True
        return wait_ms

    def read_into(self, values) -> int:
        """Put the value in `values[0]`, or nothing yet: ms to wait before the next call. Raises: DriverError."""
        if not self._started:
            raise DriverError(NOT_READY, self.where() + ": start() was not called or failed")
        self._started = self._known = False
        if self._step == _WAITING:
            wait_ms = self._compensate()
        elif self._is_pending():
            wait_ms = _MORE_MS
        elif self._step == _ASKING_WHO:
            self._identify()
            wait_ms = self._send(self.question, _ASKING_MORE, _SHORT_MS) if self.question else self._compensate()
        elif self._step == _ASKING_MORE:
            self.check_answer(self._text())
            wait_ms = self._compensate()
        elif self._step == _COMPENSATING:
            wait_ms = self._send(b"R", _MEASURING, self._measuring_ms)
        else:
            wait_ms = self._finish(values)
        self._started, self._known = wait_ms > 0, not wait_ms or self._step in (_COMPENSATING, _MEASURING)
        return wait_ms

    def check_answer(self, text: str) -> None:
        """Nothing, if the answer to `question` is what it should be. Raises: DriverError."""

    def where(self) -> str:
        """The chip, its address and its bus, for people."""
        return f"EZO-{self._kind} at 0x{self._address:02x} on {self._bus.name}"

    def _send(self, command: bytes, step: int, wait_ms: int) -> int:
        self._bus.write(self._address, command)
        self._step, self._asked = step, 0
        return wait_ms

    def _compensate(self) -> int:
        """Tell the water's temperature: a circuit that lost power would take 25 Cel."""
        celsius = STANDARD_CEL
        if self._temperature_from:
            sensor, channel = self._temperature_from
            celsius, quality, _ = self._reading(sensor, channel)
            if quality != _GOOD and self._patience:
                self._patience -= 1
                self._step = _WAITING
                return _PATIENT_MS
            if quality != _GOOD:
                raise DriverError(NOT_READY, f"{self.where()}: {sensor} gives no good {channel} to compensate for")
        return self._send(temperature_command(celsius), _COMPENSATING, _SHORT_MS)

    def _is_pending(self) -> bool:
        """Fetch the answer; whether it takes longer. Raises: DriverError for any other code than success."""
        self._bus.read_into(self._address, self._answer)
        code = self._answer[0]
        if code == _OK:
            return False
        if code == _PENDING and self._asked < _MORE_MAX:
            self._asked += 1
            return True
        if code == _SYNTAX:
            raise DriverError(BAD_CHECKSUM, self.where() + ": understood no command: noise on its wires?")
        if code in (_PENDING, _NO_DATA):
            raise DriverError(NOT_READY, f"{self.where()}: expected an answer, found code {code} (power dip?)")
        raise DriverError(BAD_CHECKSUM, f"{self.where()}: expected code {_OK}, found {code}")

    def _text(self) -> str:
        """The answer's text, up to its NUL. Raises: DriverError if it is no ASCII."""
        end = 1
        while end < _LENGTH and self._answer[end]:
            byte = self._answer[end]
            if not 0x20 <= byte < 0x7F:
                raise DriverError(BAD_CHECKSUM, f"{self.where()}: expected ASCII, found byte 0x{byte:02x}")
            end += 1
        return self._answer[1:end].decode()

    def _identify(self) -> None:
        text = self._text()
        expected = "?I," + self._kind + ","
        if text.lower()[: len(expected)] != expected.lower():
            raise DriverError(BAD_ID, f"{self.where()}: expected {expected}..., found {text!r}")

    def _finish(self, values) -> int:
        text = self._text()
        try:
            values[0] = value_of(text)
        except ValueError:
            message = f"{self.where()}: expected one number, found {text!r}"
            raise DriverError(BAD_CHECKSUM, message) from None
        check_range(self._channels, values, self)
        return 0
