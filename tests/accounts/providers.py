"""The site set up with a provider to sign in through, by its own settings."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from tests import fake_openid
from tests.fake_openid import FakeOpenID

SETTINGS = Path(__file__).resolve().parents[2] / "loremotion" / "settings.py"


def settings_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """What the settings come to in an environment that has ``variables`` as well."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(SETTINGS))


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
