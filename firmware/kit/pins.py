"""Which pin of an RP2040 can do what, and what it does in reset.

Source: RP2040 datasheet (build 2024-10-15), 1.4.3 GPIO functions, table 2 (functions repeat along the pins),
and 2.19.6.3 (PADS_BANK0: after reset the pull-down is on, the output is off). Raspberry Pi Pico datasheet, 2.1:
GPIO25 drives the user LED on the board and is on no pin of the header.
"""

GPIO_COUNT = 30
ON_A_PICO = frozenset({*range(23), 26, 27, 28})
LED_OF_A_PICO = "GP25"
RESET_LEVEL = 0  # pad pull-down of 50 to 80 kOhm

_FUNCTIONS: dict[str, tuple[int, ...]] = {
    "i2c0.sda": (0, 4, 8, 12, 16, 20, 24, 28),
    "i2c0.scl": (1, 5, 9, 13, 17, 21, 25, 29),
    "i2c1.sda": (2, 6, 10, 14, 18, 22, 26),
    "i2c1.scl": (3, 7, 11, 15, 19, 23, 27),
    "uart0.tx": (0, 12, 16, 28),
    "uart0.rx": (1, 13, 17, 29),
    "uart1.tx": (4, 8, 20, 24),
    "uart1.rx": (5, 9, 21, 25),
}


def number(pin: str) -> int:
    """Return the GPIO number of a name such as "GP4".

    Raises:
        ValueError: not a GPIO of a Pico's header.
    """
    digits = pin[2:]
    if not pin.startswith("GP") or not digits.isdigit() or str(int(digits)) != digits:
        raise ValueError(f"found {pin!r}; expected a pin name such as 'GP4'")
    if int(digits) not in ON_A_PICO:
        raise ValueError(f"found {pin!r}, which a Pico does not bring out; expected GP0 to GP22 or GP26 to GP28")
    return int(digits)


def check_function(pin: str, function: str) -> None:
    """Check that `pin` can be `function`, for example "i2c0.sda".

    Raises:
        ValueError: names the pins that can.
    """
    able = [n for n in _FUNCTIONS[function] if n in ON_A_PICO]
    if number(pin) not in able:
        names = ", ".join(f"GP{n}" for n in able)
        raise ValueError(f"{pin} cannot be {function.upper().replace('.', ' ')}; expected one of {names}")


def level_in_reset(pull: str) -> int:
    """Return the level (0 or 1) of a pin while the chip is in reset, given the resistor on the board."""
    return {"external-up": 1, "external-down": 0, "none": RESET_LEVEL}[pull]
