"""`onewire` of a virtual board: the slots of MicroPython's own driver, bridged to a virtual line."""

import _bridge  # type: ignore[import-not-found]

RESET, WRITE_BIT, READ_BIT, WRITE, READ = range(5)


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self.pin = pin
        pin.init(pin.OPEN_DRAIN, pin.PULL_UP)

    def _slots(self, what, data=b"\0"):
        return _bridge.call(_bridge.ONE_WIRE, bytes((self.pin.number, what)) + bytes(data))[1]

    def reset(self, required=False):
        present = bool(self._slots(RESET)[0])
        if required and not present:
            raise OneWireError
        return present

    def readbit(self):
        return self._slots(READ_BIT)[0]

    def readbyte(self):
        return self._slots(READ, b"\1")[0]

    def readinto(self, buf):
        buf[:] = self._slots(READ, bytes((len(buf),)))

    def writebit(self, value, powerpin=None):
        self._slots(WRITE_BIT, bytes((value,)))

    def writebyte(self, value, powerpin=None):
        self.write(bytes((value,)))

    def write(self, buf):
        self._slots(WRITE, buf)
