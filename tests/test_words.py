"""The site's own words for allauth's, and its words in other languages: whole, and what pages show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
import yaml
from django.conf import settings
from django.test import Client
from django.utils.translation import gettext

from billing.shop import first_words
from billing.shop.models import Pack, Plan
from catalog import seed_words
from loremotion.script_words import WORDS
from tests import translations

ROOT = settings.BASE_DIR
ENTRY = re.compile(r'^msgid "(.+)"\nmsgstr "(.+)"$', re.MULTILINE)
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}")
IN_WORDS = re.compile(r"inWords\(((?:[^\"{}()]*\"[^\"]*\")+)")
LITERAL = re.compile(r'"([^"]*)"')
TAG = re.compile(r"<[^>]*>")


def test_the_compiled_words_are_those_of_the_source() -> None:
    source = (settings.BASE_DIR / "locale" / "en" / "LC_MESSAGES" / "django.po").read_text()
    entries = ENTRY.findall(source)
    assert len(entries) > 50
    assert {theirs: gettext(theirs) for theirs, _ in entries} == dict(entries), "compile django.po again"


@pytest.mark.parametrize("source", translations.sources(), ids=lambda source: source.parts[-3])
def test_what_is_compiled_is_what_was_translated(source: Path) -> None:
    assert source.with_suffix(".mo").read_bytes() == translations.compiled(source), "run `make messages`"


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE])
def test_every_word_is_translated_with_its_placeholders_and_forms(language: str) -> None:
    words = polib.pofile(str(translations.LOCALE / language / "LC_MESSAGES" / "django.po"))
    assert len(words) > 1_000
    assert [entry.msgid for entry in words if not entry.translated()] == []
    assert translations.marked() - {(entry.msgctxt, entry.msgid) for entry in words} == set(), "run `make messages`"
    for entry in words:
        for theirs, ours in forms_of(entry):
            assert placeholders(theirs) == placeholders(ours), theirs
            assert sorted(TAG.findall(theirs)) == sorted(TAG.findall(ours)), theirs
            if "python-format" in entry.flags:
                assert "%" not in PLACEHOLDER.sub("", ours), f"write %% in: {ours}"


def forms_of(entry: polib.POEntry) -> Iterator[tuple[str, str]]:
    """What is said and its translation, of one or of each plural form."""
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
        return
    assert set(entry.msgstr_plural) == {0, 1}, entry.msgid
    yield entry.msgid_plural, entry.msgstr_plural[1]
    one = entry.msgid if placeholders(entry.msgid) <= placeholders(entry.msgstr_plural[0]) else entry.msgid_plural
    yield one, entry.msgstr_plural[0]


def placeholders(words: str) -> set[str]:
    return set(PLACEHOLDER.findall(words))


def test_pages_bring_along_what_scripts_say() -> None:
    said = {
        words
        for script in (settings.BASE_DIR / "static").glob("*.js")
        for call in IN_WORDS.findall(script.read_text())
        for words in LITERAL.findall(call)
    }
    assert said == set(WORDS)


def test_what_models_and_plans_came_with_is_among_what_is_translated(db: None) -> None:
    rows = yaml.safe_load((ROOT / "catalog" / "seed.yaml").read_text())["models"].values()
    assert {" ".join(row["summary"].split()) for row in rows} <= set(seed_words.SUMMARIES)
    presets = {name.capitalize() for row in rows for name in row["version"]["presets"]}
    assert presets == set(seed_words.PRESETS)
    for plan in Plan.objects.all():
        assert {plan.summary, *plan.features} <= set(first_words.WORDS)
    assert set(Pack.objects.values_list("name", flat=True)) <= set(first_words.WORDS)


def test_headings_are_in_sentence_case(client: Client, db: None) -> None:
    page = client.get("/account/login/").text
    assert re.search(r"<h1>\s*Sign in\s*</h1>", page)
    assert "Sign In" not in page
