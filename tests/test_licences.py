"""What a host installs is allowed, and what nobody looked at is named."""

from __future__ import annotations

import platform
import sys
import tomllib
from email.message import Message
from importlib.metadata import Distribution, PackagePath
from typing import Any

import pytest

from requirements import licences

ALLOWED = tomllib.loads((licences.FOLDER / "licences.toml").read_text())


class Package(Distribution):
    """An installed package that says this of itself, with these files."""

    def __init__(self, *files: str, **said: str) -> None:
        self._files = files
        self._said = Message()
        for name, value in said.items():
            self._said[name.replace("_", "-")] = value

    @property
    def metadata(self) -> Any:
        return self._said

    @property
    def files(self) -> list[PackagePath]:
        return [PackagePath(each) for each in self._files]

    def read_text(self, filename: str) -> str | None:
        raise NotImplementedError

    def locate_file(self, path: Any) -> Any:
        raise NotImplementedError


def complaints(name: str, package: Distribution) -> list[str]:
    return list(licences.unknown_licences({name: package}, ALLOWED))


def test_what_is_installed_here_is_allowed() -> None:
    packages = licences.installed(licences.INSTALLED)
    assert {"django", "torch", "c2pa-python", "av"} <= set(packages)
    assert list(licences.unknown_licences(packages, ALLOWED)) == []
    assert list(licences.unknown_libraries(packages, ALLOWED["bundled"])) == []


@pytest.mark.parametrize(
    "said",
    [
        {"License_Expression": "AGPL-3.0-only"},
        {"License_Expression": "MIT AND GPL-2.0-or-later"},
        {"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"},
        {"License": "Ask our lawyers\nat length"},
        {},
    ],
)
def test_a_licence_that_nobody_allowed_is_named(said: dict[str, str]) -> None:
    (complaint,) = complaints("newcomer", Package(**said))
    assert complaint.startswith("newcomer: ")


@pytest.mark.parametrize(
    "said",
    [
        {"License_Expression": "(Apache-2.0 WITH LLVM-exception) OR MIT"},
        {"Classifier": "License :: OSI Approved :: MIT License"},
        {"License": "MIT"},
    ],
)
def test_an_allowed_one_is_not(said: dict[str, str]) -> None:
    assert complaints("newcomer", Package(**said)) == []


def test_a_library_that_a_wheel_brings_anew_is_named() -> None:
    package = Package("pillow.libs/libreadline-1a2b3c4d.so.8", "pillow.libs/libpng16-4f3e2d1c.so.16", "PIL/Image.py")
    found = list(licences.unknown_libraries({"pillow": package}, ALLOWED["bundled"]))
    assert found == ["pillow: brings libreadline, whose licence nobody wrote down."]


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="other wheels bring others")
def test_nothing_is_allowed_that_no_wheel_brings() -> None:
    brought: dict[str, set[str]] = {}
    for package in licences.installed(licences.INSTALLED).values():
        for file in package.files or []:
            if file.parts[0].endswith(".libs") and (named := licences._NAME.match(file.name)):
                brought.setdefault(file.parts[0].removesuffix(".libs"), set()).add(named[1])
    assert {wheel: set(names) for wheel, names in ALLOWED["bundled"].items()} == brought
