"""For all tests: no example of a property has to be fast, as other work may have the machine; the longest go first."""

from pathlib import Path

import pytest
from hypothesis import settings

LONGEST = (
    "system/test_demo_recorded.py", "system/test_processes.py", "system/test_restore.py", "crashtest/test_crashtest.py",
    "system/test_people.py", "system/test_demo.py", "system/test_outages.py",
)  # fmt: skip
"""Started first, so that no worker is left alone with one at the end; the two demos not beside each other."""

settings.register_profile("gate", deadline=None)
settings.load_profile("gate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
