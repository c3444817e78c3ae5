"""What anybody gets for nothing, how much at once, and what may be made where."""

from __future__ import annotations

from ipaddress import ip_network

from django.core.exceptions import ImproperlyConfigured
from environs import validate

from loremotion.settings.site import env

FREE_DAILY_CREDITS = env.int("FREE_DAILY_CREDITS", 60, validate=validate.Range(min=0))
SIGNED_IN_DAILY_CREDITS = env.int("SIGNED_IN_DAILY_CREDITS", 120, validate=validate.Range(min=0))
ALLOWANCES_PER_NETWORK_PER_DAY = env.int("ALLOWANCES_PER_NETWORK_PER_DAY", 60, validate=validate.Range(min=1))
_NOT_NEGATIVE = validate.Range(min=0)
# Over the whole fleet; the default is one card's day.
FREE_GPU_SECONDS_PER_DAY = env.int("FREE_GPU_SECONDS_PER_DAY", 86_400, validate=validate.Range(min=0))
REMOTE_CREDITS_PER_DAY = env.int("REMOTE_CREDITS_PER_DAY", 100_000, validate=_NOT_NEGATIVE)
REMOTE_CREDITS_PER_MODEL_AND_DAY = env.int("REMOTE_CREDITS_PER_MODEL_AND_DAY", 0, validate=_NOT_NEGATIVE)
REMOTE_CREDITS_PER_WORKSPACE_AND_DAY = env.int(
    "REMOTE_CREDITS_PER_WORKSPACE_AND_DAY", 0, validate=validate.Range(min=0)
)
# The public half of the remote workers' pair, with which workspaces' own keys are sealed; empty: they can bring none.
# And what a clip with such a key costs, of what it costs otherwise.
REMOTE_KEYS_PUBLIC = env.str(
    "REMOTE_KEYS_PUBLIC",
    "",
    validate=validate.Regexp(r"^([A-Za-z0-9_-]{43}=?)?$", error="must be what python -m gpu_worker keys printed"),
)
OWN_KEY_PERCENT = env.int("OWN_KEY_PERCENT", 20, validate=validate.Range(0, 100))
VISITORS_PER_NETWORK_PER_DAY = env.int("VISITORS_PER_NETWORK_PER_DAY", 30, validate=validate.Range(min=1))
# ALTCHA's proof of work keeps crowds of newcomers away, asking nobody; with both keys Cloudflare's Turnstile does.
TURNSTILE_SITE_KEY = env.str("TURNSTILE_SITE_KEY", "")
TURNSTILE_SECRET_KEY = env.str("TURNSTILE_SECRET_KEY", "")
TURNSTILE_API_BASE = env.str(
    "TURNSTILE_API_BASE", "https://challenges.cloudflare.com", validate=validate.URL(require_tld=False)
).rstrip("/")
if bool(TURNSTILE_SITE_KEY) != bool(TURNSTILE_SECRET_KEY):
    raise ImproperlyConfigured("TURNSTILE_SITE_KEY and TURNSTILE_SECRET_KEY belong together: set both, or neither.")
PROOF_ORIGINS = [TURNSTILE_API_BASE] if TURNSTILE_SECRET_KEY else []
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", 600, validate=validate.Range(min=1))
API_CHANGES_PER_MINUTE = env.int("API_CHANGES_PER_MINUTE", 300, validate=validate.Range(min=1))

HOUSEKEEPING_SECONDS = env.float("HOUSEKEEPING_SECONDS", 5.0, validate=validate.Range(min=0.1, max=60))
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", 3, validate=validate.Range(min=1, max=10))

MODERATION_STRICTNESS = env.str("MODERATION_STRICTNESS", "standard", validate=validate.OneOf(["standard", "relaxed"]))
# Whose finished clips are looked at by the GPU hosts' classifier, and from which score on one is kept back.
MODERATION_OUTPUTS = env.str(
    "MODERATION_OUTPUTS", "visitors", validate=validate.OneOf(["visitors", "everybody", "nobody"])
)
MODERATION_OUTPUT_SCORE = env.float("MODERATION_OUTPUT_SCORE", 0.8, validate=validate.Range(0.01, 1))
# A classifier that `make run` serves beside the site, and where one answers otherwise.
GUARD_MODEL = env.str("GUARD_MODEL", "")
GUARD_URL = env.str("GUARD_URL", "", validate=validate.Regexp(r"^(https?://\S+)?$", error="must be a URL"))
GUARD_URL = GUARD_URL or ("http://127.0.0.1:8990/v1/moderations" if GUARD_MODEL else "")
GUARD_TOKEN = env.str("GUARD_TOKEN", "")
# Words in the corner of clips whose workspace has a plan with a watermark; empty: there are none on this site.
WATERMARK = env.str("WATERMARK", "LoreMotion", validate=validate.Length(max=40))

# Networks of yours, such as 10.1.0.0/16 or 127.0.0.0/8, that webhooks may go into, there also without TLS. All else but
# the open internet is refused: see loremotion.outbound.
WEBHOOK_PRIVATE_NETWORKS = env.list("WEBHOOK_PRIVATE_NETWORKS", [], subcast=ip_network)
# Apart from those: what is fetched from there is seen by whoever asked for it.
INPUT_PRIVATE_NETWORKS = env.list("INPUT_PRIVATE_NETWORKS", [], subcast=ip_network)

# The proxy's header with the caller's country (CF-IPCountry …), which it must overwrite; or one country for everybody.
# Where neither is set, models whose licence leaves countries out are offered to nobody.
TERRITORY_HEADER = env.str("TERRITORY_HEADER", "")
TERRITORY = env.str("TERRITORY", "", validate=validate.Regexp(r"^([A-Z]{2})?$", error="must be two letters such as DE"))
# Yearly revenue of whoever runs this. Models with a cap are not offered while it is not stated.
ANNUAL_REVENUE_DOLLARS = env.int("ANNUAL_REVENUE_DOLLARS", None)
