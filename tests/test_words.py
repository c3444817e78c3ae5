"""The site's own words for allauth's: what the source says is what pages show."""

from __future__ import annotations

import re

from django.conf import settings
from django.test import Client
from django.utils.translation import gettext

ENTRY = re.compile(r'^msgid "(.+)"\nmsgstr "(.+)"$', re.MULTILINE)


def test_the_compiled_words_are_those_of_the_source() -> None:
    source = (settings.BASE_DIR / "locale" / "en" / "LC_MESSAGES" / "django.po").read_text()
    entries = ENTRY.findall(source)
    assert len(entries) > 50
    assert {theirs: gettext(theirs) for theirs, _ in entries} == dict(entries), "compile django.po again"


def test_headings_are_in_sentence_case(client: Client, db: None) -> None:
    page = client.get("/account/login/").text
    assert re.search(r"<h1>\s*Sign in\s*</h1>", page)
    assert "Sign In" not in page
