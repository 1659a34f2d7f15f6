"""What all tests of virtual chips start from."""

import pytest

from tests.chips.chip_clock import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock at 0."""
    return Clock()
