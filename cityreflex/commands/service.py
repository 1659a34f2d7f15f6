"""Runs a service; what can go wrong before it is ready ends with the right exit code and a next step."""

from collections.abc import Callable
from pathlib import Path

import zmq

from cityreflex.exits import CONFIG, FAILED, PERMISSION, CityError
from processes.errors import ProcessError
from service.errors import KeyFileError


def run_service(serve: Callable[[], None], path: Path) -> None:
    """Call `serve`. Raises: CityError."""
    try:
        serve()
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), f"check the key files that {path} names") from error
    except ProcessError as error:
        raise CityError(CONFIG, str(error), f"city config check {path}") from error
    except PermissionError as error:
        raise CityError(PERMISSION, str(error), "check the owner and mode of that path") from error
    except zmq.ZMQError as error:
        raise CityError(FAILED, f"ZeroMQ: {error}", f"is the endpoint in {path} in use?") from error
