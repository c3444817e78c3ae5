"""A login of a device by its code, and somebody who may agree to it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.test import Client

from accounts.models import User, Workspace
from catalog.models import Model
from tests.accounts import factories as people

PAGE = "/workspace/keys/device/"
TERMS = {"name": "laptop", "scopes": ["read", "generate"], "daily_cap_credits": "50", "decision": "connect"}


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    return people.team(owner, "Studio")


@pytest.fixture
def browser(owner: User, studio: Workspace) -> Client:
    return people.browser_of(owner, studio)


def begun(name: str = "loremotion on laptop", **meta: Any) -> Any:
    answer = Client().post("/v1/device_logins", {"name": name}, content_type="application/json", **meta)
    assert answer.status_code == 200, answer.content
    return answer.json()


def agreed(login: Any) -> dict[str, Any]:
    """The form by which somebody agrees."""
    return {**TERMS, "code": login["user_code"], "ending": login["user_code"][-4:]}


def claimed(login: Any) -> Any:
    body = {"device_code": login["device_code"]}
    return Client().post("/v1/device_logins/claim", body, content_type="application/json").json()


def address_of(device_code: str) -> str:
    return f"device-login:{hashlib.sha256(device_code.encode()).hexdigest()}"
