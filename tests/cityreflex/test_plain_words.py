"""Every rule that a schema of ours has is explained in plain words. Golden texts, then a walk through all schemas."""

import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from aggregator.config import AggregatorConfig
from edge_node.config import EdgeConfig
from firmware.kit.schema import BoardFile
from processes import templates
from processes.config import ProcessConfig
from protocol import plain
from simulator.scenario import Scenario

ROOT = Path(__file__).parents[2]
SITES = [templates.load(path.parent.name).site_model for path in sorted((ROOT / "processes").glob("*/site.toml"))]
ROOTS: list[type[BaseModel]] = [AggregatorConfig, EdgeConfig, BoardFile, ProcessConfig, Scenario, *SITES]
WRONG: list[Any] = [
    None, "", "x", "http://x", "-", "A B", "x" * 700, -(10**30), -1, 0, 1, 7, 10**30, 1.5, -math.inf, math.nan, True,
    [], [1], ["x"] * 99, {}, {"x": 1}, {"": None}, datetime.datetime(2026, 3, 1, 6, 30), datetime.date(2026, 3, 1),
]  # fmt: skip
ELSEWHERE = {"missing", "extra_forbidden", "value_error"}
PYDANTIC = ("should", "valid ", "unable to", "Input", "permitted", "another value", "text of the form")


@pytest.mark.parametrize(
    ("kind", "context", "value", "text"),
    [
        ("greater_than", {"gt": 0.0}, -1, "found -1; expected a number above 0"),
        ("greater_than_equal", {"ge": 0.5}, 0, "found 0; expected 0.5 or more"),
        ("less_than_equal", {"le": 4_000_000}, True, "found true; expected 4000000 or less"),
        ("literal_error", {"expected": "'edge', 'city' or 'both'"}, "cty",
         "found 'cty'; expected one of 'edge', 'city' or 'both'; did you mean 'city'?"),
        ("string_pattern_mismatch", {"pattern": "^(tcp|ipc)://.+"}, "x",
         "found 'x'; expected an endpoint such as tcp://HOST:PORT or ipc://PATH"),
        ("string_type", {}, datetime.date(2026, 3, 1),
         "found the time 2026-03-01, which is not in quotes; expected text in quotes"),
        ("list_type", {}, {"a": 1}, "found a table; expected a list: [ ... ]"),
        ("int_type", {}, [1, 2], "found a list of 2; expected a whole number"),
        ("too_short", {"min_length": 2}, [], "found an empty list; expected at least 2 of them"),
    ],
)  # fmt: skip
def test_golden_words(kind: str, context: dict[str, Any], value: Any, text: str) -> None:
    assert plain.explained(kind, context, value) == text


def test_what_was_found_is_shortened() -> None:
    assert len(plain.found("x" * 10_000)) < 100


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """The model and all models in its fields."""
    if model not in seen:
        seen.add(model)
        yield model
        for field in model.model_fields.values():
            for inner in annotations(field.annotation):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    yield from models(inner, seen)


def annotations(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from annotations(inner)


def broken(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """What pydantic says of a model when each of its fields in turn, and what is in it, has each wrong value."""
    for name in model.model_fields:
        for value in WRONG:
            for given in (value, [value], {"x": value}):
                try:
                    model.model_validate({name: given})
                except ValidationError as error:
                    yield from (dict(row) for row in error.errors() if row["loc"][:1] == (name,))


@pytest.mark.parametrize("root", ROOTS, ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_every_rule_of_every_schema_has_plain_words(root: type[BaseModel]) -> None:
    kinds = set()
    for model in models(root, set()):
        for row in broken(model):
            kinds.add(row["type"])
            if row["type"] not in ELSEWHERE:
                text = plain.explained(row["type"], row.get("ctx", {}), row["input"])
                left = text.replace(plain.found(row["input"]), "")
                assert not any(word in left for word in PYDANTIC), (
                    f"{model.__name__}.{row['loc']}: {row['type']} {row.get('ctx')}: add its words in protocol/plain.py"
                )
    assert len(kinds - ELSEWHERE) >= 2, "the walk must break something"
