"""Command line: see docs/testing.md."""

from .planted import plant_from_environment

plant_from_environment()
from .cli import main  # noqa: E402

if __name__ == "__main__":
    main()
