"""What an index of packages shows of the README."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="Releasing takes it")


def test_without_an_address_what_lies_beside_the_readme_is_not_linked_to() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", Path(__file__).parents[1] / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    text = "See [it](../it.md), [there](https://a.example) and [below](#below).\n\n![A bar](README.gif)\n"
    assert hook.described(text, "") == "See it, [there](https://a.example) and [below](#below).\n\n\n"
    assert "(https://a.example/x/README.gif)" in hook.described(text, "https://a.example/x")
