"""``STRIPE=fake make run``: an imitation of Stripe beside the site, so that credits are bought with a test card."""

from __future__ import annotations

import sys
from pathlib import Path

from loremotion.local.failure import CannotStart
from loremotion.local.ports import free_port
from loremotion.local.secret_files import secret


def is_wanted(chosen: str) -> bool:
    """Whether ``STRIPE`` asks for the imitation.

    Raises:
        CannotStart: it asks for something else.
    """
    if chosen not in ("", "fake"):
        raise CannotStart(f"STRIPE is '{chosen}'. It may be 'fake'; for the real one set STRIPE_SECRET_KEY instead.")
    return chosen == "fake"


def settings_of(folder: Path) -> dict[str, str]:
    """What the site needs to buy there. A port of its own each time; what it remembers lies in ``folder``."""
    return {
        "STRIPE_SECRET_KEY": "sk_test_imitation",
        "STRIPE_WEBHOOK_SECRETS": secret(folder / "secrets", "stripe_webhook"),
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
    }


def command(folder: Path, settings: dict[str, str]) -> str:
    """The imitation in the foreground, sending its events to the site."""
    port = settings["STRIPE_API_BASE"].rsplit(":", 1)[1]
    hook = f"{settings['SITE_URL']}/stripe/webhook/"
    return (
        f"{sys.executable} -m tests.fake_stripe --port {port} --webhook-url {hook}"
        f" --secret {settings['STRIPE_WEBHOOK_SECRETS']} --state '{folder / 'stripe.json'}'"
    )
