"""What a board starts once its outputs are off: the application, or maintenance when that was asked for."""

import machine

from .flash import MAINTENANCE, take


def run(config: dict) -> None:  # type: ignore[type-arg]
    """Run the board for ever. Maintenance ends with power: a note that a power cut left behind asks for nothing."""
    if take(MAINTENANCE) and machine.reset_cause() != machine.PWRON_RESET:
        from . import maintenance  # noqa: PLC0415 (its code takes room only where it is needed)

        maintenance.serve(config)
    else:
        from . import app  # noqa: PLC0415 (maintenance must work also where the application does not load)

        app.run(config)
