"""The house is kept: files of one subject, functions called by verbs and nouns, rooms where the documents say."""

from __future__ import annotations

import re

import pytest

from tests import house_rules
from tests.house_rules import PRODUCT, ROOT, is_module, is_participle, is_there

VIEWS = "No view imports another: urls alone do"
INSIDE_GENERATION = "Inside generation, imports go down its packages in the order of a request's way"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_no_file_grows_past_the_length_of_one_subject() -> None:
    found, known = house_rules.long_files(), house_rules.LONG_FILES
    for path, lines in found.items():
        assert path in known, f"{path} has {lines} lines, over {house_rules.MOST_LINES}: take its second subject out."
    for path in sorted(known - set(found)):
        pytest.fail(f"{path} is short now, or gone: take it out of tests/long_files.txt.")


def test_functions_of_modules_are_called_by_verbs_or_nouns() -> None:
    found = {name for path in house_rules.modules(*PRODUCT) for name in house_rules.participles(path)}
    for name in sorted(found - house_rules.PARTICIPLES.keys()):
        pytest.fail(f"{name} is a participle: say what it does (a verb), or what it returns (a noun).")
    for name in sorted(house_rules.PARTICIPLES.keys() - found):
        pytest.fail(f"{name} is called otherwise now: take it out of PARTICIPLES in tests/house_rules.py.")


@pytest.mark.parametrize("top", PRODUCT)
def test_private_functions_and_methods_get_no_more_participles(top: str) -> None:
    found, most = house_rules.hidden_participles(top), house_rules.MOST_HIDDEN_PARTICIPLES[top]
    assert len(found) <= most, f"{top} had {most} and has {len(found)}, the new one is among {', '.join(found)}."


@pytest.mark.parametrize("name", ["told", "_held", "formatted", "bound_ed", "seed", "read", "tell", "embed", "told_by"])
def test_what_a_bare_participle_is(name: str) -> None:
    assert is_participle(name) == (name in ("told", "_held", "formatted"))


def test_no_file_has_a_name_that_was_given_up() -> None:
    for path in house_rules.modules(*PRODUCT):
        is_retired = house_rules.RETIRED.fullmatch(path.stem) is not None
        assert not is_retired, f"{path}: that word was given up, see RETIRED in tests/house_rules.py."


def test_no_view_is_left_out_of_the_contract_that_keeps_views_apart() -> None:
    protected = house_rules.contracts()[VIEWS]["protected_modules"]
    packages = [name.removesuffix(".*") for name in protected if name.endswith(".*")]
    for module, urls in house_rules.modules_of_views().items():
        is_kept = module in protected or module.rpartition(".")[0] in packages or module in house_rules.SHARED_VIEWS
        assert is_kept, f"{urls} shows a view of {module}: add it to the contract '{VIEWS}' in pyproject.toml."
    for module in protected:
        assert module.endswith(".*") or is_module(module), f"The contract '{VIEWS}' names {module}, which is not there."


def test_the_architecture_names_rooms_that_are_there() -> None:
    names = set(re.findall(rf"`((?:{'|'.join(PRODUCT)})(?:\.[a-zA-Z_]+)+)`", ARCHITECTURE))
    names -= house_rules.OTHER_DOTTED_NAMES
    assert len(names) > 30
    for name in sorted(names):
        assert is_there(name), f"docs/architecture.md names {name}, which is not there."


def test_the_architecture_shows_the_layers_that_are_enforced() -> None:
    shown = re.search(r"^urls → (.*?)^```", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)
    assert shown is not None
    words = set(re.findall(r"[a-z_]+", shown[1]))
    layers = {
        room for layer in house_rules.contracts()[INSIDE_GENERATION]["layers"] for room in re.findall(r"\w+", layer)
    }
    frame = {room for room in layers if room.endswith("urls")} | house_rules.BESIDE_THE_WAY
    assert words <= layers, f"docs/architecture.md shows {words - layers} in generation, which no layer is."
    assert layers - frame <= words, f"docs/architecture.md leaves out {layers - frame - words} of generation."
