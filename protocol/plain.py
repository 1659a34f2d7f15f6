"""What was found and what is expected, in plain words, where a value in a file breaks a rule of its schema. CPython.

    explained("greater_than", {"gt": 0}, -1)       # "found -1; expected a number above 0"

The kinds of rules are those of pydantic, whose own words ("Input should be ...") are for programmers. A new pattern
in a schema gets its words in PATTERNS, a new kind of rule in WORDS; tests/cityreflex/test_plain_words.py walks all
schemas and says which are missing.
"""

import datetime
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

MAX_SHOWN = 80
WORDS = {
    "int_parsing": "a whole number", "int_type": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number", "float_parsing": "a number", "float_type": "a number",
    "finite_number": "a number that is not infinite", "bool_parsing": "true or false", "bool_type": "true or false",
    "string_type": "text in quotes", "path_type": "a path in quotes", "string_unicode": "text in UTF-8",
    "greater_than": "a number above {gt}", "greater_than_equal": "{ge} or more", "less_than": "a number below {lt}",
    "less_than_equal": "{le} or less", "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "one of {expected}", "enum": "one of {expected}",
    "string_too_short": "at least {min_length} characters", "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them",
    "list_type": "a list: [ ... ]", "tuple_type": "a list: [ ... ]", "set_type": "a list: [ ... ]",
    "dict_type": "a table", "model_type": "a table", "model_attributes_type": "a table", "dataclass_type": "a table",
    "invalid_key": "a key that is text", "none_required": "nothing here",
    "time_parsing": "a time such as 06:30", "datetime_parsing": "a time such as 2026-03-01T06:30:00Z",
    "date_parsing": "a day such as 2026-03-01",
}  # fmt: skip
PATTERNS = {
    r"^(tcp|ipc)://.+": "an endpoint such as tcp://HOST:PORT or ipc://PATH",
    r"^((tcp|ipc)://.+)?$": "an endpoint such as tcp://HOST:PORT or ipc://PATH",
    r"^(unix:.+)?$": "a unix socket such as unix:signer.sock",
    r"^(https?://[^\s]+)?$": "a web address such as https://HOST/PATH",
    r"^[^\s,<&]+$": "text without spaces, commas, < and &, such as a mail address",
    r"^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$": "a language such as en-GB",
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "a name of a-z, 0-9, - and _, at most 63 characters, that begins with a-z or 0-9",
    r"^[a-z][a-z0-9_]{0,31}$": "a name of a-z, 0-9 and _, at most 32 characters, that begins with a-z",
}


def explained(kind: str, context: Mapping[str, Any], value: object) -> str:
    """Return `found ...; expected ...` for a value that breaks a rule of this kind."""
    text = f"found {found(value)}; expected {expected(kind, context)}"
    if kind == "literal_error" and isinstance(value, str):
        able = [word for word in str(context["expected"]).split("'") if word not in (", ", " or ", "")]
        close = get_close_matches(value, able, 1)
        text += f"; did you mean {close[0]!r}?" if close else ""
    return text


def expected(kind: str, context: Mapping[str, Any]) -> str:
    """Return what a rule asks for."""
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return PATTERNS.get(pattern, f"text of the form {pattern}")
    return WORDS.get(kind, "another value").format(**{name: _number(value) for name, value in context.items()})


def _number(value: object) -> object:
    """Return a number without a fraction of zero."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def found(value: object) -> str:
    """Return a value as a TOML file has it, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return f"the time {value.isoformat()}, which is not in quotes"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
