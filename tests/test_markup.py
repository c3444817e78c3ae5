"""What people write is shown as text: nothing but our own words is marked as HTML, for browsers or for staff."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from django.test import Client

from accounts import audit, workspaces
from generation.notices.models import Notice
from tests.accounts import factories
from tests.generation import factories as generations

ROOT: Final = Path(__file__).resolve().parent.parent
MARKUP: Final = "<script>alert(1)</script>"

MARKED_SAFE: Final = {
    "catalog/views.py": "the guide to the models, a template of ours",
    "generation/api/reference.py": "the contract's descriptions and docs/webhooks.md, rendered without HTML of theirs",
    "loremotion/list_parts.py": "cells of the admin's lists, which Django has escaped; headings are escaped there",
    "templates/accounts/field.html": "the help texts of forms, which stand in the code",
    "templates/admin/accounts/user/change_password.html": "the help texts of Django's own form",
}
"""File → why what it marks as HTML is nobody's but ours."""


def found_in(pattern: str, *globs: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for glob in globs
        for path in ROOT.glob(glob)
        if "migrations" not in path.parts and re.search(pattern, path.read_text())
    }


def test_nothing_but_our_own_words_is_marked_as_html() -> None:
    code = [f"{top}/**/*.py" for top in ("accounts", "billing", "catalog", "generation", "loremotion")]
    marked = found_in(r"mark_safe\(|SafeString\(|SafeText|\bhtml_safe\b", *code)
    marked |= found_in(r"\|\s*safe(seq)?\b|autoescape off", "templates/**/*.html")
    assert marked == set(MARKED_SAFE)


def test_no_script_of_ours_makes_markup_of_text() -> None:
    assert found_in(r"createElement", "static/*.js")  # they make elements, and texts within
    assert not found_in(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", "static/*.js")


def test_no_template_counts_what_its_own_with_renames() -> None:
    """Django pushes ``with`` before it counts: of a list that became its own length it would count nothing."""
    renamed_and_counted = r"\{% blocktranslate [^%]*count \w+=(?P<counted>\w+)[|.][^%]* with [^%]*\b(?P=counted)="
    assert re.search(renamed_and_counted, "{% blocktranslate count n=clips|length with clips=clips|length %}")
    assert not found_in(renamed_and_counted, "templates/**/*.html")


@pytest.mark.django_db
def test_names_prompts_and_reasons_are_text_to_staff(admin_client: Client) -> None:
    owner = factories.person("owner@example.org")
    type(owner).objects.filter(id=owner.id).update(name=MARKUP)
    generations.model()
    studio = factories.team(owner, MARKUP)
    clip = generations.submitted(generations.visitor(credits=100).workspace, MARKUP)
    type(clip).objects.filter(id=clip.id).update(workspace=studio, error_message=MARKUP, worker=MARKUP)
    said = {"statement": MARKUP, "decision": MARKUP, "objection": MARKUP, "address": MARKUP, "contact": f"{MARKUP}@x"}
    notice = Notice.objects.create(workspace=studio, clip_id=clip.id, category="other", state="objected", **said)
    audit.record(studio, "key.made", actor=MARKUP, subject=MARKUP)
    workspaces.suspend(studio, actor=f"staff {MARKUP}", reason=MARKUP)
    for address in (
        f"/admin/customers/?q={MARKUP}",
        f"/admin/customers/{studio.id}/",
        f"/admin/accounts/user/{owner.id}/change/",
        f"/admin/accounts/workspace/{studio.id}/change/",
        "/admin/accounts/workspace/",
        "/admin/audit/?who=everybody",
        "/admin/generation/generation/?when=any",
        f"/admin/generation/generation/{clip.id}/change/",
        "/admin/notices/notice/?state=all",
        f"/admin/notices/notice/{notice.id}/change/",
        f"/admin/notices/notice/{notice.id}/decide/",
    ):
        answer = admin_client.get(address, follow=True)
        assert MARKUP not in answer.text, address
        assert "&lt;script&gt;alert(1)" in answer.text, address
