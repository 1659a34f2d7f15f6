"""What can go wrong with a city's store and its backups, as exit codes with a next step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aggregator.errors import BackupError, DamagedError, RoomError
from cityreflex.commands.options import quoted
from cityreflex.exits import FAILED, NOT_FOUND, UNVERIFIED, CityError
from durable import DurableError


@contextmanager
def storage_errors(backup: Path, data: Path) -> Iterator[None]:
    """Turn errors of a backup at `backup` of the store in `data` into theirs. Raises: CityError."""
    try:
        yield
    except BackupError as error:
        code = NOT_FOUND if error.missing else UNVERIFIED
        raise CityError(code, str(error), "nothing was changed; try another backup or disk") from error
    except DamagedError as error:
        raise damaged(error, data) from error
    except RoomError as error:
        raise CityError(FAILED, str(error), "make room, or use another disk") from error
    except DurableError as error:
        raise CityError(FAILED, str(error), f"nothing was changed; ls -l {quoted(backup)}") from error


def damaged(error: Exception, data: Path) -> CityError:
    """Return what is said of a store.db or journal.db with damaged pages."""
    if (data / "journal.db").exists():
        aside = quoted(data / "damaged")
        hint = f"move it away: mkdir {aside} && mv {quoted(data)}/journal.db* {aside}"
        return CityError(UNVERIFIED, f"the journal is damaged: {error}", hint)
    hint = f"put the newest backup back: city restore BACKUP (what is in {quoted(data)} is kept aside)"
    return CityError(UNVERIFIED, f"the store is damaged: {error}", hint)
