"""The site set up with a provider to sign in through, by its own settings."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from pytest_django import Settings

import loremotion.settings
from tests import fake_openid
from tests.fake_openid import FakeOpenID


def settings_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """What the settings come to in an environment that has ``variables`` as well."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patch:
        for module in [name for name in sys.modules if name.partition(".settings")[0] == "loremotion"]:
            patch.delitem(sys.modules, module)
        patch.setattr(loremotion, "settings", loremotion.settings)  # the import puts another one here
        return vars(importlib.import_module("loremotion.settings"))


def offer_sign_in(settings: Settings, monkeypatch: pytest.MonkeyPatch, provider: FakeOpenID, **more: str) -> None:
    """As an operator sets it up who calls it "Studio login"; ``more`` is further environment."""
    made = settings_with(
        monkeypatch,
        OIDC_SERVER_URL=provider.url,
        OIDC_NAME="Studio login",
        OIDC_CLIENT_ID=fake_openid.CLIENT_ID,
        OIDC_CLIENT_SECRET=fake_openid.SECRET,
        **more,
    )
    for name in ("SOCIALACCOUNT_PROVIDERS", "SIGN_IN_PROVIDERS", "CONTENT_SECURITY_POLICY"):
        setattr(settings, name, made[name])
