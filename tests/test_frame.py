"""The frame holds together."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client


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
