"""No code that lies beside a model's weights is ever run, and the sources say so wherever they load."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def loading_calls(source: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained"
    ]


def refuses_remote_code(call: ast.Call) -> bool:
    said = {keyword.arg: keyword.value for keyword in call.keywords}.get("trust_remote_code")
    return isinstance(said, ast.Constant) and said.value is False


@pytest.mark.parametrize("room", ["gpu_worker", "catalog"])
def test_whatever_is_loaded_is_loaded_without_code_of_its_own(room: str) -> None:
    trusting = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in (ROOT / room).rglob("*.py")
        for call in loading_calls(path.read_text())
        if not refuses_remote_code(call)
    ]
    assert trusting == []


@pytest.mark.parametrize(
    ("source", "is_refused"),
    [
        ("X.from_pretrained(f)", False),
        ("X.from_pretrained(f, trust_remote_code=True)", False),
        ("X.from_pretrained(f, **more)", False),
        ("X.y.from_pretrained(f, trust_remote_code=False)", True),
    ],
)
def test_it_is_seen_where_it_is_not_said(source: str, is_refused: bool) -> None:
    assert [refuses_remote_code(call) for call in loading_calls(source)] == [is_refused]
