"""What a file and a function may be called here, how long a file may be, and what is still otherwise.

``test_house.py`` holds these. The lists of exceptions may only get shorter: whoever mends one takes it out.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = ("accounts", "billing", "catalog", "generation", "gpu_worker", "loremotion", "preview_model")
SOURCES: Final = (*PRODUCT, "benchmarks", "requirements", "tests", "clients/python/src", "clients/python/tests")

MOST_LINES: Final = 300

LONG_FILES: Final = frozenset((ROOT / "tests" / "long_files.txt").read_text().split())
"""Those that were longer when this was first looked at."""

RETIRED: Final = re.compile(
    r"arrival|breaker|carrying|cashier|clerk|courier|crowds|doors|economies|errands|favourites|footage_reader|foreign"
    r"|hastening|hearing|holdings|hull|ladder|looks|outlook|picking|postman|purse|remains|ring|room|sealing|services"
    r"|watching|yardstick"
)
"""Names that files of the product had, in words of our own; what they are called now, the field would search for."""

PARTICIPLE: Final = re.compile(
    r"_*([a-z]{3,}ed|begun|bent|bought|broken|brought|built|caught|chosen|done|drawn|driven|found|given|gone|grown|heard"
    r"|held|hidden|kept|known|laid|led|left|lent|lost|made|meant|met|paid|said|seen|sent|shown|sold|spent|stolen|stood"
    r"|taken|taught|thought|thrown|told|torn|understood|woken|won|worn|written)_*"
)
"""A participle and nothing else; none that is a verb or a noun as well, but for ``NO_PARTICIPLES``."""
NO_PARTICIPLES: Final = ("embed", "exceed", "oembed", "proceed", "speed")


def modules(*tops: str) -> Iterator[Path]:
    """The Python files of these folders, migrations and environments left out."""
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            if not {"migrations", ".venv", "node_modules", "__pycache__"} & set(path.relative_to(ROOT).parts):
                yield path


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_files() -> dict[str, int]:
    """File → lines, of those that have more than ``MOST_LINES``."""
    lines = {name_of(path): len(path.read_text().splitlines()) for path in modules(*SOURCES)}
    return {path: count for path, count in lines.items() if count > MOST_LINES}


def is_participle(name: str) -> bool:
    """Whether a function's name is a participle and nothing else: ``told`` is, ``told_by`` and ``tell`` are not."""
    return PARTICIPLE.fullmatch(name) is not None and name.strip("_") not in NO_PARTICIPLES


def participles(path: Path) -> Iterator[str]:
    """``file:function`` of the module's public functions that are called by a bare participle.

    Filters of templates are left out: there ``{{ amount|signed }}`` is how one says it.
    """
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        is_filter = any("register" in ast.unparse(one) for one in node.decorator_list)
        if is_participle(node.name) and not is_filter:
            yield f"{name_of(path)}:{node.name}"


def hidden_participles(top: str) -> list[str]:
    """The same of private functions, and of methods that are neither properties nor a query set's."""
    found = []
    for path in modules(top):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for inner in node.body:
                if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) or not is_participle(inner.name):
                    continue
                is_public = isinstance(node, ast.Module) and not inner.name.startswith("_")
                is_query = isinstance(node, ast.ClassDef) and node.name.endswith("QuerySet")
                is_property = any("property" in ast.unparse(one) for one in inner.decorator_list)
                if not (is_public or is_query or is_property):
                    found.append(f"{name_of(path)}:{inner.lineno} {inner.name}")
    return found


def contracts() -> dict[str, dict[str, list[str]]]:
    """import-linter's contracts by name."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["name"]: contract for contract in read["tool"]["importlinter"]["contracts"]}


def modules_of_views() -> dict[str, str]:
    """Module → the file of addresses that shows a view of it."""
    found = {}
    for path in modules(*PRODUCT):
        if not path.stem.endswith("urls"):
            continue
        tree = ast.parse(path.read_text())
        origins: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    origins[alias.asname or alias.name] = whole if is_module(whole) else node.module
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("path", "re_path"):
                for part in ast.walk(node.args[1]):
                    if isinstance(part, ast.Name) and is_module(origins.get(part.id, "")):
                        found[origins[part.id]] = name_of(path)
    return found


def is_module(dotted: str) -> bool:
    """Whether a file of this project has this dotted name."""
    return bool(dotted) and (ROOT / dotted.replace(".", "/")).with_suffix(".py").is_file()


def is_there(dotted: str) -> bool:
    """Whether a package, a module, or something defined in one has this dotted name, found without importing it."""
    parts = dotted.split(".")
    if (ROOT / "/".join(parts)).is_dir():
        return True
    for count in range(len(parts), 0, -1):
        at = ROOT / "/".join(parts[:count])
        path = at.with_suffix(".py") if at.with_suffix(".py").is_file() else at / "__init__.py"
        if path.is_file():
            defined = rf"^\s*(async def|def|class)? ?{'|'.join(parts[count:])}\b"
            return count == len(parts) or re.search(defined, path.read_text(), re.MULTILINE) is not None
    return False


PARTICIPLES: Final = {
    "generation/reports.py:finished": "lies in queues under this name",
    "generation/reports.py:started": "lies in queues under this name",
    "gpu_worker/settings.py:documented": "as the settings of the site are called",
}
"""Public functions that are called by a participle, and why."""

MOST_HIDDEN_PARTICIPLES: Final = {
    "accounts": 12,
    "billing": 13,
    "catalog": 11,
    "generation": 85,
    "gpu_worker": 59,
    "loremotion": 29,
    "preview_model": 1,
}
"""Package → private functions and methods that are called by a participle."""

OTHER_DOTTED_NAMES: Final = frozenset({"loremotion.workspace"})
"""In the documents, what is no module: a setting of a PostgreSQL session."""

SHARED_VIEWS: Final = {
    "accounts.openid.views": "allauth registers them with its provider",
    "generation.pages.checklist": "says the steps as well that the first page shows",
    "generation.storage.serving": "serves files to the views of pages and API too",
    "loremotion.bodies": "limits what a view takes",
    "loremotion.well_known": "nothing else looks there",
}
"""Modules of views that others may import, and why."""

BESIDE_THE_WAY: Final = frozenset({"attempt_secret", "context", "management", "tiers", "workspace_data"})
"""Of ``generation``: what the drawing of its layers leaves out."""
