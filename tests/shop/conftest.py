"""Fixtures of the shop's tests: the imitation of Stripe, and an account with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from stripe import HTTPClient

from tests.billing.books import LedgerClock
from tests.fake_stripe.process import FakeStripeProcess
from tests.shop import stripe_driver as accounts_of_stripe
from tests.shop.shop_steps import ShopSteps
from tests.shop.stripe_driver import Account, StripeDriver


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[FakeStripeProcess]:
    with FakeStripeProcess() as process:
        yield process


@pytest.fixture
def stripe(stripe_process: FakeStripeProcess, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FakeStripeProcess:
    """A new account at Stripe, which the site has the keys of. Between two tries of a request nobody pauses."""
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.0)
    stripe_process.control("reset")
    settings.STRIPE_SECRET_KEY = "sk_test_imitation"
    settings.STRIPE_WEBHOOK_SECRETS = [stripe_process.secret]
    settings.STRIPE_API_BASE = stripe_process.url
    return stripe_process


@pytest.fixture
def ledger_clock(db: None) -> LedgerClock:
    """The ledger's clock, stopped until it is moved."""
    return LedgerClock.install()


@pytest.fixture
def shop_steps(db: None, stripe: FakeStripeProcess) -> ShopSteps:
    """Where a test buys, pays and carries the mail."""
    return ShopSteps(stripe)


@pytest.fixture(params=["imitation", "test-mode"])
def stripe_account(request: pytest.FixtureRequest) -> Account:
    """An account of test mode: the imitation's, and the real one."""
    if request.param == "imitation":
        return accounts_of_stripe.imitation(request.getfixturevalue("stripe_process"))
    return accounts_of_stripe.real_one()


@pytest.fixture
def stripe_driver(db: None, stripe_account: Account, settings: Settings) -> Iterator[StripeDriver]:
    """Drives either Stripe by its API alone."""
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_of_the_test"]
    at_work = StripeDriver(stripe_account, settings)
    yield at_work
    at_work.close()
