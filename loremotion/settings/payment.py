"""What is sold, through whom, and what a clip costs us."""

from __future__ import annotations

from environs import validate

from loremotion.settings.site import env

# Without a key nothing is sold, the pages say so, and everything else works.
STRIPE_SECRET_KEY = env.str(
    "STRIPE_SECRET_KEY", "", validate=validate.Regexp(r"^((sk|rk)_\w+)?$", error="must begin with sk_ or rk_")
)
# Secrets of the webhook endpoint; two while one replaces the other.
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", [])
STRIPE_API_BASE = env.str("STRIPE_API_BASE", "https://api.stripe.com", validate=validate.URL(require_tld=False)).rstrip(
    "/"
)
# Stripe works out and collects sales taxes, for accounts that have set that up.
STRIPE_TAX = env.bool("STRIPE_TAX", False)
DEFAULT_CURRENCY = env.str("DEFAULT_CURRENCY", "usd", validate=validate.Regexp(r"^[a-z]{3}$", error="must be like usd"))
PAY_ORIGINS = (
    ["https://checkout.stripe.com", "https://billing.stripe.com"]
    if STRIPE_API_BASE == "https://api.stripe.com"
    else [STRIPE_API_BASE]
)
# What one member of staff may give, take or write off in a day alone; what goes beyond waits for a second.
STAFF_DAILY_CREDITS = env.int("STAFF_DAILY_CREDITS", 1_000, validate=validate.Range(min=0))

# The admin shows each model's margin from these and from measured GPU seconds.
GPU_DOLLARS_PER_HOUR = env.float("GPU_DOLLARS_PER_HOUR", 2.0, validate=validate.Range(min=0))
CREDIT_DOLLARS = env.float("CREDIT_DOLLARS", 0.01, validate=validate.Range(min=0.0001))
