"""What a start made is left out of collections; what comes later is not."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from service.garbage import spare_the_start
class Knot:
    def __init__(self):
        self.me = self
early, late = Knot(), None
spare_the_start()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()
late = Knot()
seen = [weakref.ref(early), weakref.ref(late)]
del early, late
gc.collect()
print([ref() is None for ref in seen])
"""


def test_only_what_came_later_is_collected() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, True]\n"
