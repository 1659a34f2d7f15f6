"""Runs one fuzz target under atheris: `python one_target.py TARGET CORPUS [libFuzzer flags]`. `fuzz.py` calls it."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))
OURS = ["protocol", "edge_node.config", "aggregator.config", "cityreflex", "processes", "service", "firmware.kit"]
with atheris.instrument_imports(include=OURS):
    import targets
import mutate  # noqa: E402

AT = {"city_link": 2, "board_to_host": 1, "board_commands": 1}
"""Where the msgpack begins in an input of a target."""


def main() -> None:
    """Fuzz until libFuzzer has done its runs; it ends the process itself."""
    name = sys.argv[1]
    longest = targets.LONGEST.get(name, 1024)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        plain: bytes = atheris.Mutate(data, max_size)
        if name == "config" or seed % 2:
            return plain
        if name == "city_link":
            return _with_length(data, max_size, seed)
        return mutate.change(data, AT.get(name, 0), max_size, seed)

    arguments = [sys.argv[0], *sys.argv[2:], f"-max_len={longest}"]
    atheris.Setup(arguments, targets.TARGETS[name], custom_mutator=mutated)
    atheris.Fuzz()


def _with_length(data: bytes, max_size: int, seed: int) -> bytes:
    """Change the header of a city link message, and say its new length."""
    size = int.from_bytes(data[:2], "big")
    header = mutate.change(data[2 : 2 + size], 0, min(max_size, 65535), seed)
    return (len(header).to_bytes(2, "big") + header + data[2 + size :])[:max_size]


main()
