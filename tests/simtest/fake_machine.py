"""The little of MicroPython's `machine` that firmware/port/outputs.py needs: pins in memory."""

import sys
from types import ModuleType
from typing import Any


class Pin:
    """A pin of the board that is being built."""

    OUT, IN, PULL_UP, PULL_DOWN = 1, 0, 1, 2

    def __init__(self, name: str, mode: int = 0, value: int = 0) -> None:
        self.name, self._value = name, value

    def value(self, *level: Any) -> int:
        """Read or set the level."""
        if level:
            self._value = level[0]
        return self._value


def install() -> None:
    """Let `import machine` find this."""
    module = ModuleType("machine")
    module.Pin = Pin  # type: ignore[attr-defined]
    sys.modules.setdefault("machine", module)
