"""The block device of the flash ring: blocks of the chip's flash, wherever they lie."""


class Blocks:
    """Block n of the ring is block places[n] of `device`."""

    def __init__(self, device, places) -> None:  # type: ignore[no-untyped-def]
        """`places` are those of `ring_files.py`."""
        self._device = device
        self._places = places

    def readblocks(self, n: int, buf, offset: int) -> None:  # type: ignore[no-untyped-def]
        """Fill `buf` from that place."""
        self._device.readblocks(self._places[n], buf, offset)

    def writeblocks(self, n: int, buf, offset: int) -> None:  # type: ignore[no-untyped-def]
        """Program what is erased."""
        self._device.writeblocks(self._places[n], buf, offset)

    def ioctl(self, op: int, n: int) -> int:
        """4: how many blocks; 6: erase one."""
        return len(self._places) if op == 4 else self._device.ioctl(op, self._places[n])
