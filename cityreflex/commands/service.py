"""Runs a service; what can go wrong before it is ready ends with the right exit code and a next step."""

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import zmq

from aggregator.errors import DamagedError, DescriptorError
from cityreflex.commands.storage import damaged
from cityreflex.exits import CONFIG, FAILED, PERMISSION, CityError
from durable import DISK, DiskFullError, DurableError
from durable.committer import EXIT_IO_ERROR
from processes.errors import ProcessError
from service.errors import InUseError, KeyFileError
from service.lock import hold

LEAST_ROOM = 64 * 1024


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
    except sqlite3.OperationalError as error:
        raise _disk_error(error, data_dir) from error
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
    except OSError as error:
        if isinstance(error, DurableError) or error.errno in (errno.ENOSPC, errno.EIO):
            raise _disk_error(error, data_dir) from error
        raise


def _disk_error(error: Exception, data_dir: Path) -> CityError:
    """Return what is told of a disk that did not let the service start: full, or failing."""
    full = isinstance(error, DiskFullError) or getattr(error, "errno", 0) == errno.ENOSPC
    if full or shutil.disk_usage(data_dir).free < LEAST_ROOM:
        return CityError(FAILED, f"no room to start: {error}", f"make room on the disk of {data_dir}, start again then")
    hint = f"look at the disk of {data_dir} (dmesg); what was acknowledged is read again at the next start"
    return CityError(EXIT_IO_ERROR, f"the disk failed: {error}", hint)


def in_use(error: InUseError) -> CityError:
    """Return what a second process in the same directory is told."""
    return CityError(FAILED, str(error), f"stop that one first (kill {error.pid}), or give another directory")
