"""Runs a service; what can go wrong before it is ready ends with the right exit code and a next step."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import zmq

from aggregator.errors import DamagedError, DescriptorError
from cityreflex.commands.storage import damaged
from cityreflex.exits import CONFIG, FAILED, PERMISSION, CityError
from durable import DISK
from processes.errors import ProcessError
from service.errors import InUseError, KeyFileError
from service.lock import hold


def run_service(serve: Callable[[], None], path: Path, data_dir: Path) -> None:
    """Call `serve`, alone in its data directory. Raises: CityError."""
    try:
        DISK.make_folder(data_dir)
        with hold(data_dir):
            serve()
    except InUseError as error:
        raise in_use(error) from error
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), f"check the key files that {path} names") from error
    except ProcessError as error:
        raise CityError(CONFIG, str(error), f"city config check {path}") from error
    except DamagedError as error:
        raise damaged(error, data_dir) from error
    except sqlite3.DatabaseError as error:
        raise damaged(error, data_dir) from error
    except DescriptorError as error:
        hint = f"raise it (systemd: LimitNOFILE={error.needed}), or lower max_connections in [limits] of {path}"
        raise CityError(CONFIG, str(error), hint) from error
    except PermissionError as error:
        raise CityError(PERMISSION, str(error), "check the owner and mode of that path") from error
    except zmq.ZMQError as error:
        hint = f"free the endpoint that {path} names (ss -ltnp), or change it"
        raise CityError(FAILED, f"ZeroMQ: {error}", hint) from error


def in_use(error: InUseError) -> CityError:
    """Return what a second process in the same directory is told."""
    return CityError(FAILED, str(error), f"stop that one first (kill {error.pid}), or give another directory")
