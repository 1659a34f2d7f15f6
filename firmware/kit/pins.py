"""Which pins of a chip can do what, on the boards that carry it, and what they do in reset.

Sources: RP2040 datasheet (build 2024-10-15), 1.4.3 GPIO functions, table 2, and 2.19.6.3 (PADS_BANK0: after reset the
pull-down is on, the output is off). RP2350 datasheet, 9.4 function select (F2, F3, and F11: UARTs on further pins),
9.11.3 (pads in reset as before) and erratum RP2350-E9. Raspberry Pi Pico, Pico W and Pico 2 datasheets, pinout:
GPIO25 drives the LED of a Pico and a Pico 2; GPIO23, 24, 25 and 29 of a Pico W belong to its radio, and so does its
LED. ESP32-S3 datasheet v2.2, tables 2-1 (pins there are, most float in reset), 2-2 (glitches of 60 us at power-up),
2-14 (flash and PSRAM) and 3-1 (strapping pins); its GPIO matrix takes UART and I2C to any pin (technical reference
manual, chapter 6). I2S of an RP2040 and RP2350 is a PIO program of MicroPython, any pins, but WS is the one after SCK
(MicroPython, machine.I2S of the rp2 port).
"""

from typing import NamedTuple

Functions = dict[str, frozenset[int]]
_UARTS_OF_AN_RP2040 = {
    "uart0.tx": frozenset((0, 12, 16, 28)),
    "uart0.rx": frozenset((1, 13, 17, 29)),
    "uart1.tx": frozenset((4, 8, 20, 24)),
    "uart1.rx": frozenset((5, 9, 21, 25)),
}
_UARTS_OF_AN_RP2350 = {
    "uart0.tx": frozenset((0, 2, 12, 14, 16, 18, 28)),
    "uart0.rx": frozenset((1, 3, 13, 15, 17, 19, 29)),
    "uart1.tx": frozenset((4, 6, 8, 10, 20, 22, 24, 26)),
    "uart1.rx": frozenset((5, 7, 9, 11, 21, 23, 25, 27)),
}
_I2C_OF_BOTH = {
    "i2c0.sda": frozenset(range(0, 30, 4)),
    "i2c0.scl": frozenset(range(1, 30, 4)),
    "i2c1.sda": frozenset(range(2, 30, 4)),
    "i2c1.scl": frozenset(range(3, 30, 4)),
}
_ON_A_PICO = frozenset({*range(23), 26, 27, 28})
_I2S = [f"i2s{n}.{line}" for n in (0, 1) for line in ("sck", "ws", "sd")]
_I2S_OF_BOTH = dict.fromkeys(_I2S, _ON_A_PICO)
_RADIO = dict.fromkeys((23, 24, 25, 29), "it belongs to the radio")
_USABLE_OF_AN_ESP32S3 = frozenset({1, 2, *range(4, 19), 21, *range(38, 43), 47, 48})
_TAKEN_OF_AN_ESP32S3 = {
    **dict.fromkeys((0, 3, 45, 46), "it is a strapping pin, read at reset"),
    **dict.fromkeys((19, 20), "it is the USB port"),
    **dict.fromkeys(range(22, 26), "the chip has none"),
    **dict.fromkeys(range(26, 38), "it belongs to flash and PSRAM"),
    **dict.fromkeys((43, 44), "it is UART0, the VM's own console"),
}


class Mcu(NamedTuple):
    """A chip on its usual board: what is known of its pins.

    `taken` says why of pins that are not `usable`; `leds` are names that serve for the status LED only; `pulled` is the
    level of a free pin in reset, None where it floats; `glitches` has the pins that are low (0) or high (1) for
    a moment at power-up; `pull_down_works`: the chip's own pull-down can be relied on; `ws_after_sck`: the WS pin of an
    I2S can only be the one after its SCK pin; `files_kb`: the file system that MicroPython makes (docs/flash.md),
    None where it depends on the build.
    """

    name: str
    board: str
    march: str
    prefix: str
    usable: frozenset[int]
    taken: dict[int, str]
    leds: tuple[str, ...]
    functions: Functions
    pulled: int | None = 0
    glitches: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    pull_down_works: bool = True
    ws_after_sck: bool = False
    files_kb: int | None = None

    def number(self, pin: str) -> int:
        """Return the GPIO number of a name such as "GP4".

        Raises:
            ValueError: not a GPIO that a board with this chip can use.
        """
        digits = pin.removeprefix(self.prefix)
        if not pin.startswith(self.prefix) or not digits.isdigit() or str(int(digits)) != digits:
            raise ValueError(f"found {pin!r}; expected a pin name such as '{self.prefix}4'")
        found = int(digits)
        if found not in self.usable:
            why = self.taken.get(found, f"which {self.board} does not bring out")
            raise ValueError(f"found {pin!r}, {why}; expected {self._named(self.usable)}")
        return found

    def check_function(self, pin: str, function: str) -> None:
        """Check that `pin` can be `function`, for example "i2c0.sda".

        Raises:
            ValueError: names the pins that can, or the units there are.
        """
        unit, kind = function.split(".")
        if function not in self.functions:
            units = sorted({name.split(".")[0] for name in self.functions if name[:4] == function[:4]})
            raise ValueError(f"{self.board} has no {unit} to use; expected one of {', '.join(units)}")
        able = self.functions[function] & self.usable
        if self.number(pin) not in able:
            names = ", ".join(f"{self.prefix}{n}" for n in sorted(able))
            raise ValueError(f"{pin} cannot be {unit.upper()} {kind.upper()}; expected one of {names}")

    def level_in_reset(self, pull: str) -> int | None:
        """Return the level (0 or 1; None: it floats) of a pin in reset, given the resistor on the board."""
        return {"external-up": 1, "external-down": 0, "none": self.pulled}[pull]

    def check_output(self, pin: str, active: int, pull: str) -> None:
        """Check that a load which is on at level `active` stays off while the chip is in reset.

        Raises:
            ValueError: names what to change.
        """
        level = self.level_in_reset(pull)
        needed = "external-down" if active else "external-up"
        if level != 1 - active:
            state = "floating" if level is None else "high" if level else "low"
            raise ValueError(
                f"{pin} is {state} while the chip is in reset, which {'may switch' if level is None else 'switches'} "
                f'this output on; expected pull = "{needed}" (fit that resistor) or the other polarity'
            )
        if self.number(pin) in self.glitches[active]:
            free = self._named(self.usable - self.glitches[active])
            raise ValueError(f"{pin} is {'high' if active else 'low'} for 60 us at power-up; expected {free}")

    def check_i2s(self, sck: str, ws: str) -> None:
        """Check that WS stands where the chip's I2S puts it, beside SCK where it has no choice.

        Raises:
            ValueError: names the pin for WS.
        """
        after = self.number(sck) + 1
        if not self.ws_after_sck or self.number(ws) == after:
            return
        beside = f"{self.prefix}{after}, the pin after SCK"
        where = beside if after in self.usable else "another SCK, as there is no pin after this one"
        raise ValueError(f"found {ws} for WS with SCK at {sck}; expected {where} ({self.board} knows no other WS)")

    def check_pull(self, pin: str, pull: str) -> None:
        """Check that an input's own pull does what it says.

        Raises:
            ValueError: names the resistor to fit.
        """
        if pull == "down" and not self.pull_down_works:
            raise ValueError(
                f"{pin} of {self.board} cannot rely on its own pull-down, which may hold it near 2 V (RP2350-E9); "
                'expected pull = "none" and a resistor of 8.2 kOhm or less to GND'
            )

    def _named(self, pins: frozenset[int]) -> str:
        """Return pins as ranges: GP0 to GP22 or GP26 to GP28."""
        runs: list[list[int]] = []
        for pin in sorted(pins):
            if runs and pin == runs[-1][1] + 1:
                runs[-1][1] = pin
            else:
                runs.append([pin, pin])
        return " or ".join(f"{self.prefix}{a}" if a == b else f"{self.prefix}{a} to {self.prefix}{b}" for a, b in runs)


def _anywhere(usable: frozenset[int], uarts: tuple[int, ...]) -> Functions:
    """Return the functions of a chip that takes any signal to any pin."""
    names = [f"i2c{n}.{line}" for n in (0, 1) for line in ("sda", "scl")]
    names += _I2S
    names += [f"uart{n}.{line}" for n in uarts for line in ("tx", "rx")]
    return dict.fromkeys(names, usable)


MCUS = {
    mcu.name: mcu
    for mcu in (
        Mcu(
            "rp2040", "a Pico", "armv6m", "GP", _ON_A_PICO, {}, ("GP25",),
            {**_UARTS_OF_AN_RP2040, **_I2C_OF_BOTH, **_I2S_OF_BOTH}, ws_after_sck=True, files_kb=352 * 4,
        ),
        Mcu(
            "rp2040-w", "a Pico W", "armv6m", "GP", _ON_A_PICO, _RADIO, ("LED",),
            {**_UARTS_OF_AN_RP2040, **_I2C_OF_BOTH, **_I2S_OF_BOTH}, ws_after_sck=True, files_kb=212 * 4,
        ),
        Mcu(
            "rp2350", "a Pico 2", "armv7emsp", "GP", _ON_A_PICO, {}, ("GP25",),
            {**_UARTS_OF_AN_RP2350, **_I2C_OF_BOTH, **_I2S_OF_BOTH}, pull_down_works=False, ws_after_sck=True,
        ),
        Mcu(
            "esp32s3", "an ESP32-S3", "xtensawin", "GPIO", _USABLE_OF_AN_ESP32S3, _TAKEN_OF_AN_ESP32S3, (),
            _anywhere(_USABLE_OF_AN_ESP32S3, (1, 2)), pulled=None, glitches=(frozenset(range(1, 19)), frozenset((18,))),
        ),
        Mcu(
            "unix", "a virtual board", "x64", "GP", frozenset(range(30)), {}, ("LED",),
            _anywhere(frozenset(range(30)), (0, 1)), ws_after_sck=True,
        ),
    )
}  # fmt: skip
