"""Compares the licences of what a host installs with ``licences.toml``, and names each that is not there.

    python requirements/licences.py

It goes through web.txt, gpu.txt, remote.txt and what may be added to them, with everything that those bring, and
through the libraries inside their wheels. A wheel's licence says nothing of those.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

FOLDER: Final = Path(__file__).parent
INSTALLED: Final = (
    *("web.txt", "gpu.txt", "remote.txt"),
    *("conversion.txt", "sentry.txt", "tracing.txt", "pictures.txt"),
)
_NAME: Final = re.compile(r"(lib.+?)(?:-[0-9a-f]{8,})*(?:-[0-9.]+)?\.(?:so|dylib)")
_BETWEEN: Final = re.compile(r"\s+(?:AND|OR|WITH)\s+|\s*;\s*|[()]")


def main() -> int:
    allowed = tomllib.loads((FOLDER / "licences.toml").read_text())
    packages = installed(INSTALLED)
    faults = sorted([*unknown_licences(packages, allowed), *unknown_libraries(packages, allowed["bundled"])])
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.write(f"{len(packages)} packages: requirements/licences.toml leaves {len(faults)} questions open\n")
    return 1 if faults else 0


def installed(files: tuple[str, ...]) -> dict[str, Distribution]:
    """Name → package, of everything that these files of requirements bring. What is not installed here is left out."""
    waiting = [Requirement(line) for file in files for line in _lines(FOLDER / file)]
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, Distribution] = {}
    while waiting:
        wanted = waiting.pop()
        name = normal(wanted.name)
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [each for each in map(Requirement, found[name].requires or []) if _is_asked_for(each, wanted.extras)]
    return found


def _lines(file: Path) -> Iterator[str]:
    for line in file.read_text().splitlines():
        if (bare := line.split("#")[0].strip()) and not bare.startswith("-"):
            yield bare


def _is_asked_for(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licences_of(package: Distribution) -> list[str]:
    """What a package's metadata say: each part of its expression, its classifiers, or its free text's first line."""
    said: Any = package.metadata
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if "License ::" in each]
    text = said.get("License-Expression") or "; ".join(classifiers) or (said.get("License") or "").split("\n")[0]
    return [part for part in (each.strip() for each in _BETWEEN.split(text)) if part]


def unknown_licences(packages: Mapping[str, Distribution], allowed: Mapping[str, Any]) -> Iterator[str]:
    known = {licence for group in allowed["licences"].values() for licence in group}
    prefixes = tuple(allowed["packages"]["prefixes"])
    for name, package in packages.items():
        if name in allowed["packages"] or name.startswith(prefixes):
            continue
        said = licences_of(package)
        if not said or not known.issuperset(said):
            words = " / ".join(said) or "no licence"
            yield f"{name}: {words} is not allowed. Take another package, or write down why it may be taken."


def unknown_libraries(packages: Mapping[str, Distribution], allowed: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for package in packages.values():
        for file in package.files or []:
            folder = file.parts[0]
            if not folder.endswith(".libs") or not (named := _NAME.match(file.name)):
                continue
            wheel, library = folder.removesuffix(".libs"), named[1]
            if library not in allowed.get(wheel, {}):
                yield f"{wheel}: brings {library}, whose licence nobody wrote down."


if __name__ == "__main__":
    sys.exit(main())
