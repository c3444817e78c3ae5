"""What a request leaves behind in the process that serves it: nothing. ``make chaos`` asks a whole site thousands of
times and looks at its memory."""

from __future__ import annotations

import gc

import pytest
from django.db.models import Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client

from tests.generation import factories

REQUESTS = 20


def left_after(browser: Client, requests: int) -> int:
    """How many requests, answers and rows are held by something."""
    for number in range(requests):
        assert browser.get(("/", "/v1/models")[number % 2]).status_code == 200
    gc.collect()
    return sum(issubclass(type(thing), (HttpRequest, HttpResponseBase, Model)) for thing in gc.get_objects())


@pytest.mark.django_db
def test_requests_leave_no_objects_behind() -> None:
    factories.model()
    browser = Client()
    before = left_after(browser, REQUESTS)
    assert left_after(browser, REQUESTS) <= before
