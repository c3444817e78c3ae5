"""The documents say what the code does."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from gpu_worker.settings import documented

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
FOLDERS = (ROOT, *(ROOT / name for name in ("docs", "benchmarks", "tests")))
DOCUMENTS = sorted(path for folder in FOLDERS for path in folder.glob("*.md"))
REQUIRED = "required"


def settings_table() -> dict[str, str]:
    """Variable → default, from the README."""
    return dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \| ", README, flags=re.MULTILINE))


def shown(default: object) -> str:
    """A default as the README writes it."""
    if isinstance(default, list):
        default = ",".join(default)
    return "" if default in (None, "") else f"`{default}`"


def web_settings() -> dict[str, str]:
    """Variable → default, from every ``env.<type>("NAME", default)`` of the settings."""
    found = {}
    modules = sorted((ROOT / "loremotion" / "settings").glob("*.py"))
    for node in (node for module in modules for node in ast.walk(ast.parse(module.read_text()))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "env"):
            continue
        name, *defaults = (ast.unparse(argument) for argument in node.args)
        found[ast.literal_eval(name)] = _default(defaults[0]) if defaults else REQUIRED
    return found


def _default(expression: str) -> str:
    try:
        return shown(ast.literal_eval(expression))
    except ValueError:  # a path put together from BASE_DIR
        return "`" + "/".join(re.findall(r"'([^']+)'", expression)) + "`"


def test_every_setting_of_the_web_stands_in_the_readme_with_its_default() -> None:
    table = settings_table()
    for name, default in web_settings().items():
        assert name in table, f"Add a row for {name} to the README's table of settings."
        assert table[name] == default, f"{name} is {default or 'empty'} by default, the README says {table[name]}."


def test_every_setting_of_the_gpu_worker_stands_in_the_readme_with_its_default() -> None:
    table = settings_table()
    for variable in documented():
        assert variable.name in table, f"Add a row for {variable.name} to the README's table of settings."
        if variable.name not in web_settings():
            assert table[variable.name] == shown(variable.default)


def test_every_variable_that_the_engine_reads_for_itself_stands_in_the_readme() -> None:
    engine = "\n".join(path.read_text() for path in sorted((ROOT / "gpu_worker" / "engine").rglob("*.py")))
    read = set(re.findall(r'"(GPU_WORKER_[A-Z_]+)"', engine))
    assert "GPU_WORKER_DEVICE" in read
    assert read <= set(settings_table())


def test_the_readme_names_no_setting_that_nothing_reads() -> None:
    sources = [path for top in ("loremotion", "gpu_worker") for path in sorted((ROOT / top).rglob("*.py"))]
    code = "\n".join(path.read_text() for path in sources)
    for name in settings_table():
        assert f'"{name}"' in code, f"Nothing reads {name}: take it out of the README's table."


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}, which is not there."


def table_rows(document: str) -> list[str]:
    """The rows of every table of a document, without heads and rules."""
    lines = (ROOT / "docs" / document).read_text().splitlines()
    rules = {number for number, line in enumerate(lines) if re.fullmatch(r"\|[-| ]+\|", line)}
    heads = {number - 1 for number in rules}
    return [line for number, line in enumerate(lines) if line.startswith("|") and number not in rules | heads]


def named_tests(text: str) -> list[str]:
    return re.findall(r"`([a-z0-9_/]*test_[a-z0-9_]+\.py::test_[a-z0-9_]+)`", text)


@pytest.mark.parametrize("document", ["security.md", "faults.md"])
def test_every_test_that_a_page_about_safety_names_is_there(document: str) -> None:
    named = named_tests((ROOT / "docs" / document).read_text())
    assert len(named) > 40
    for name in sorted(set(named)):
        file, _, function = name.partition("::")
        path = ROOT / "tests" / file
        assert path.exists(), f"docs/{document} names tests/{file}, which is not there."
        defined = re.search(rf"^(async )?def {function}\(", path.read_text(), flags=re.MULTILINE)
        assert defined, f"docs/{document} names {name}, which is not there."


def test_every_threat_and_every_fault_has_a_test_that_each_run_runs() -> None:
    threats = [row for row in table_rows("security.md") if row.count("|") == 5]
    faults = table_rows("faults.md")
    assert len(threats) > 30
    assert len(faults) > 30
    for row in (*threats, *faults):
        quick = [name for name in named_tests(row) if not name.startswith("chaos/")]
        assert quick, f"No test of 'make test' holds: {row}"


def test_every_row_of_the_standard_has_a_test_or_says_why_not() -> None:
    rows = [row for row in table_rows("security.md") if re.match(r"\| V\d", row)]
    assert len(rows) > 30
    for row in rows:
        assert named_tests(row) or "not tested: " in row, f"Name a test, or write 'not tested: ' and why: {row}"


def test_the_tree_shows_folders_that_are_there() -> None:
    tree = re.search(r"## Where things are\n\n```\n(.*?)```", README, flags=re.DOTALL)
    assert tree is not None
    above = [ROOT]
    for line in tree[1].splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth + 1 :] = [above[depth] / name]
        assert above[-1].exists(), f"The README's tree shows {above[-1].relative_to(ROOT)}, which is not there."


def test_the_tree_shows_every_room_of_a_request_and_of_the_engine() -> None:
    tree = README.split("## Where things are")[1].split("\n## ")[0]
    for parent in (ROOT / "generation", ROOT / "gpu_worker" / "engine"):
        rooms = {path.parent.name for path in parent.glob("*/__init__.py")} - {"migrations", "management"}
        assert rooms <= set(re.findall(r"^ +([a-z_]+)/", tree, flags=re.MULTILINE))


def test_every_word_of_our_own_is_explained() -> None:
    words = set(re.findall(r"^\| \*\*([a-z ]+)\*\* \|", (ROOT / "docs" / "words.md").read_text(), flags=re.MULTILINE))
    kept = {"hold", "capture", "release", "lot", "lease", "evict", "resident", "refusal", "beat", "lifeline", "trial"}
    assert kept <= words, f"docs/words.md does not explain {', '.join(sorted(kept - words))}."


def test_the_walk_names_functions_that_are_there() -> None:
    walk = README.split("## One request in eight functions")[1].split("\n## ")[0]
    names = re.findall(r"`((?:generation|gpu_worker|billing|catalog)\.[a-zA-Z_.]+)`", walk)
    assert len(names) >= 9
    for name in names:
        assert _is_defined(name), f"The README's walk names {name}, which is not there."


def _is_defined(name: str) -> bool:
    """Whether a function or method is defined where its dotted name says, found without importing it."""
    parts = name.split(".")
    split = next(i for i in range(len(parts), 0, -1) if (ROOT / "/".join(parts[:i])).with_suffix(".py").exists())
    body = ast.parse((ROOT / "/".join(parts[:split])).with_suffix(".py").read_text()).body
    for wanted in parts[split:]:
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((node for node in body if isinstance(node, definitions) and node.name == wanted), None)
        if found is None:
            return False
        body = found.body
    return True


def test_every_make_command_in_the_documents_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for document in DOCUMENTS:
        for command in re.findall(r"\bmake ([a-z][a-z-]+)\b", "\n".join(_code(document.read_text()))):
            assert command in targets, f"{document.name} says 'make {command}'."


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_of_ours_that_a_document_names_is_there(document: Path) -> None:
    above = [ROOT, *(path for path in ROOT.iterdir() if (path / "__init__.py").exists() or path.name == "templates")]
    for name in re.findall(r"`([a-z][\w-]*/[\w/.-]+\.(?:py|sql|yaml|md|txt|lock|html))`", document.read_text()):
        assert any((folder / name).exists() for folder in above), f"{document.name} names {name}, which is not there."


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_management_command_in_a_document_is_one(document: Path) -> None:
    for command in re.findall(r"manage\.py ([a-z_]+)", "\n".join(_code(document.read_text()))):
        assert command in get_commands(), f"{document.name} says 'manage.py {command}'."


def _code(text: str) -> list[str]:
    return re.findall(r"```.*?```|`[^`]+`", text, flags=re.DOTALL)


def test_the_web_part_needs_no_torch_and_the_gpu_part_no_django() -> None:
    web = (ROOT / "requirements" / "web.txt").read_text().lower()
    gpu = (ROOT / "requirements" / "gpu.txt").read_text().lower()
    remote = (ROOT / "requirements" / "remote.txt").read_text().lower()
    assert not re.search(r"^(torch|diffusers|transformers|-r)\b", web, flags=re.MULTILINE)
    assert not re.search(r"^(django|psycopg|-r)\b", gpu, flags=re.MULTILINE)
    assert not re.search(r"^(torch|diffusers|transformers|django|psycopg|-r)\b", remote, flags=re.MULTILINE)
    assert importlib.util.find_spec("torch") is not None  # one machine has both


def pins(name: str) -> dict[str, str]:
    """Package → version, from a file of requirements."""
    text = (ROOT / "requirements" / name).read_text()
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\\n]+)", text, flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in found}


def test_what_a_web_host_installs_is_locked_with_the_digest_of_every_file() -> None:
    text = (ROOT / "requirements" / "web.lock").read_text()
    locked, tested = pins("web.lock"), pins("constraints.txt")
    assert pins("web.txt").items() <= locked.items(), "Make requirements/web.lock anew, as its head says."
    for package, version in locked.items():
        assert tested.get(package, version) == version, f"{package} is tested as {tested[package]}, not {version}."
    entries = re.split(r"\n(?=[A-Za-z])", text.split("\n", text.count("\n# ") + 1)[-1].strip())
    assert len(entries) == len(locked)
    assert all("--hash=sha256:" in entry for entry in entries)
