"""The bench's own tests import its parts by name, as its processes do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
