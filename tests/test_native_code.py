"""Native code of boards (viper, native) is compared with a reference in Python masked to 32 bits, as its integers are.

A module with such code is named `*_viper.py` and has its script `check_*_viper.py`, which runs on MicroPython. Viper's
integers have 64 bits on the VM of these tests, so what a sum that overflows does on a board shows in a reference alone.
"""

import ast
import re
from pathlib import Path

from tests.test_tidy import ROOT, functions, name_of

EMITTERS = {"viper", "native", "asm_thumb", "asm_xtensa"}
ON_BOARDS = ("protocol", "drivers", "firmware")
MASKED = re.compile(r"0xFFFFFFFF|\bmask\(")


def native(text: str) -> list[str]:
    """Names of the functions that an emitter compiles."""
    return [
        node.name
        for node in functions(ast.parse(text))
        for how in node.decorator_list
        if isinstance(how, ast.Attribute) and how.attr in EMITTERS
    ]


def modules() -> dict[str, list[str]]:
    """The native functions of each module of boards."""
    paths = (path for folder in ON_BOARDS for path in (ROOT / folder).rglob("*.py"))
    return {name_of(path): native(path.read_text()) for path in paths}


def lacking(names: dict[str, list[str]], scripts: list[Path]) -> list[str]:
    """Modules with native code without a script that compares it with a reference masked to 32 bits."""
    found = []
    for name, compiled in names.items():
        texts = [path.read_text() for path in scripts if path.name == f"check_{Path(name).stem}.py"]
        if compiled and not any("def reference(" in text and MASKED.search(text) for text in texts):
            found.append(name)
    return found


def test_native_code_has_a_reference_of_32_bits_and_a_name_that_says_so() -> None:
    found = modules()
    assert len(found) > 80
    assert lacking(found, list((ROOT / "tests").rglob("check_*.py"))) == []
    assert [name for name, compiled in found.items() if compiled and "viper" not in name] == []


def test_native_code_without_a_reference_is_found(tmp_path: Path) -> None:
    assert native("import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x + 1\n") == ["f"]
    assert lacking({"drivers/x_viper.py": ["f"], "drivers/y.py": []}, []) == ["drivers/x_viper.py"]
    check = tmp_path / "check_x_viper.py"
    check.write_text("def reference(x):\n    return x + 1 & 0xFFFFFFFF\n")
    assert lacking({"drivers/x_viper.py": ["f"]}, [check]) == []
    check.write_text("def reference(x):\n    return x + 1\n")
    assert lacking({"drivers/x_viper.py": ["f"]}, [check]) == ["drivers/x_viper.py"]
