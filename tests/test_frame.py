"""The frame holds together."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User


@pytest.mark.django_db
def test_the_database_is_postgresql_18() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) // 10_000 == 18


@pytest.mark.django_db
def test_a_form_from_an_old_page_says_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post("/generations/", {"prompt": "a fox"})
    assert answer.status_code == 403
    assert "reload the page" in answer.text
    assert 'id="main"' in answer.text


@pytest.mark.django_db
def test_what_cannot_be_read_is_a_page_with_a_way_back() -> None:
    answer = Client().post("/generations/", {f"field-{number}": "x" for number in range(1_100)})
    assert answer.status_code == 400
    assert '<a href="/">Back to home</a>' in answer.text


@pytest.mark.django_db
def test_staff_who_may_not_gets_a_page_with_a_way_back() -> None:
    looker = User.objects.create_user("looker@example.org", "x", is_staff=True)
    browser = Client()
    browser.force_login(looker)
    answer = browser.get("/admin/catalog/model/")
    assert answer.status_code == 403
    assert "It takes the right “Catalogue › Models › See”, which your account does not have." in answer.text
    assert 'href="/admin/">Back to Today' in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    told = browser.get("/admin/catalog/model/", headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["code"]) == (403, "forbidden")


@pytest.mark.django_db
def test_staff_who_looks_for_what_is_not_there_stays_in_the_admin() -> None:
    boss = User.objects.create_superuser("boss@example.org", "x")
    browser = Client()
    browser.force_login(boss)
    for nowhere in ("/admin/nonsense/", f"/admin/customers/{uuid4()}/"):
        answer = browser.get(nowhere)
        assert answer.status_code == 404
        assert 'href="/admin/">Back to Today' in answer.text
        assert 'id="sections"' in answer.text
