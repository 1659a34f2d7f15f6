"""Changes to a city's data folder while no aggregator runs there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cityreflex.exits import CONFIG, FAILED, CityError
from service.errors import InUseError, KeyFileError
from service.lock import hold


@contextmanager
def alone(data_dir: Path, address: str, page: str) -> Iterator[None]:
    """Hold the folder of a city whose interface at `address` does not answer. `page`: where its files are explained.

    Raises: CityError, if an aggregator holds it after all, or a file of it is not as it has to be.
    """
    try:
        with hold(data_dir):
            yield
    except InUseError as error:
        text = f"{error}, but {address} does not answer"
        raise CityError(FAILED, text, "is the aggregator just starting or ending? try again") from error
    except KeyFileError as error:
        raise CityError(CONFIG, str(error), f"see {page}") from error
