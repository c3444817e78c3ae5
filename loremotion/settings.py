"""Every setting of the web side, read from the environment.

A bad value refuses to start and names its variable. Each variable stands in the README's table; a test compares
the two. Defaults are the safe ones: a bare environment runs with DEBUG off and asks for what it cannot guess.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
import dj_email_url
import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env, validate

from loremotion import alerts

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Model] and its like be written at run time

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(eager=True)

# --- what this installation is -------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", validate=validate.Length(min=32, error="must be at least 32 characters of chance"))
# Keys that were SECRET_KEY before. What they signed and sealed still opens; what is new is under SECRET_KEY.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", [])
if any(len(key) < 32 for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured("SECRET_KEY_FALLBACKS: each must be at least 32 characters of chance.")
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", [])
IS_HTTPS = urlsplit(SITE_URL).scheme == "https"
IS_ONE_MACHINE = urlsplit(SITE_URL).hostname in ("127.0.0.1", "localhost", "::1")
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=validate.Range(min=0, max=8))

# --- stores --------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", validate=validate.Regexp(r"^postgres(ql)?://", error="must be postgres://…"))
# Requests run as a role that PostgreSQL shows the rows of their own workspace alone: see loremotion.row_security.
ROW_LEVEL_SECURITY = env.bool("ROW_LEVEL_SECURITY", True)
_database = dj_database_url.parse(
    DATABASE_URL, engine="loremotion.row_security", conn_max_age=0, conn_health_checks=True
)
# A request has a connection only while it asks the database (loremotion.database): so a handful serves any number of
# people who are slow.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 10, validate=validate.Range(min=2))
_pool = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
# What PostgreSQL ends by itself in the site, its workers and its beat: see loremotion.database.bound_process.
_limit = validate.Range(min=0, max=86_400)
DATABASE_STATEMENT_SECONDS = env.float("DATABASE_STATEMENT_SECONDS", 30.0, validate=_limit)
DATABASE_LOCK_SECONDS = env.float("DATABASE_LOCK_SECONDS", 10.0, validate=_limit)
DATABASE_IDLE_TRANSACTION_SECONDS = env.float("DATABASE_IDLE_TRANSACTION_SECONDS", 60.0, validate=_limit)
if 0 < DATABASE_STATEMENT_SECONDS <= DATABASE_LOCK_SECONDS:
    raise ImproperlyConfigured("DATABASE_LOCK_SECONDS must be shorter than DATABASE_STATEMENT_SECONDS, which ends it.")
DATABASES = {
    "default": _database
    | {
        "ATOMIC_REQUESTS": False,
        # A pool rather than persistent connections: under ASGI each request may run on another thread.
        "OPTIONS": {"prepare_threshold": 1, **_database.get("OPTIONS", {}), "pool": _pool},  # see loremotion.prepared
    }
}
REDIS_URL = env.str("REDIS_URL", validate=validate.Regexp(r"^(rediss?|unix)://", error="must be redis://…"))
MEDIA_DIR = Path(env.str("MEDIA_DIR", str(BASE_DIR / "var" / "media"))).resolve()
# How finished clips reach MEDIA_DIR: a folder that GPU hosts share, or PUT over HTTP to SITE_URL.
CLIP_UPLOAD = env.str("CLIP_UPLOAD", "folder", validate=validate.OneOf(["folder", "http"]))

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"serializer": "loremotion.valkey.JsonSerializer"},
    }
}
# The RQ queues that the site works off, each with the table of what its jobs may call: see rq_seams.allowed_jobs.
QUEUE_JOBS = {
    "reports": "generation.reports.JOBS",
    "stripe": "billing.shop.jobs.JOBS",
    "webhooks": "generation.webhooks.jobs.JOBS",
    "mail": "loremotion.outbox.jobs.JOBS",
}
# Queues that had another name in the last release: whoever works off the new one takes over what stands in the old one.
FORMER_QUEUES = {"webhooks": "deliveries"}
# django-rq reads these two. It is no installed app: its pages show people's prompts and unpickle what Valkey holds.
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "SERIALIZER": "rq.serializers.JSONSerializer", "DEFAULT_TIMEOUT": 120}
    for name in (*QUEUE_JOBS, *FORMER_QUEUES.values(), "render")
}
RQ = {"JOB_CLASS": "gpu_worker.rq_seams.allowed_jobs.AllowedJob", "COMMIT_MODE": "auto"}
# What mail may say, each table beside its functions: see loremotion.outbox.mail.
MAIL_CONTENTS = [
    "accounts.invitations.MAIL",
    "accounts.sign_in_mail.MAIL",
    "billing.shop.notices.MAIL",
    "generation.settlement.notifications.MAIL",
    "generation.webhooks.letters.MAIL",
    "generation.moderation.reviews.MAIL",
    "generation.notices.letters.MAIL",
]

# --- what visitors get ---------------------------------------------------------------------------------------

FREE_DAILY_CREDITS = env.int("FREE_DAILY_CREDITS", 60, validate=validate.Range(min=0))
SIGNED_IN_DAILY_CREDITS = env.int("SIGNED_IN_DAILY_CREDITS", 120, validate=validate.Range(min=0))
ALLOWANCES_PER_NETWORK_PER_DAY = env.int("ALLOWANCES_PER_NETWORK_PER_DAY", 60, validate=validate.Range(min=1))
# Over the whole fleet; the default is one card's day.
FREE_GPU_SECONDS_PER_DAY = env.int("FREE_GPU_SECONDS_PER_DAY", 86_400, validate=validate.Range(min=0))
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

# --- mail ----------------------------------------------------------------------------------------------------

# smtp+tls://user:password@host:587 and the like. Without one, mail becomes files, which /mail/ shows on one machine.
EMAIL_URL = env.str("EMAIL_URL", "")
MAIL_DIR = Path(env.str("MAIL_DIR", str(BASE_DIR / "var" / "mail"))).resolve()
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "LoreMotion <no-reply@localhost>")
if EMAIL_URL:
    _mail = dj_email_url.parse(EMAIL_URL)
    EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "loremotion.smtp.EmailBackend").replace(
        "django.core.mail.backends.smtp.", "loremotion.smtp."
    )
    EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail["EMAIL_USE_TLS"], _mail["EMAIL_USE_SSL"]
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = "django.core.mail.backends.filebased.EmailBackend", MAIL_DIR
EMAIL_TIMEOUT = 10
# Who runs the site: told by mail of what is critical, as loremotion.alerts does.
ADMINS = [("", address) for address in env.list("ADMINS", [])]
EMAIL_SUBJECT_PREFIX = "[LoreMotion] "
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- paying --------------------------------------------------------------------------------------------------

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
# What billing shows without knowing it: what a clip costs with each model, and the page that a hold is for.
CLIP_PRICES = "catalog.samples.clip_prices"
HOLD_PAGE = "generation:detail"

# --- what the licences of models ask ----------------------------------------------------------------------------

# The proxy's header with the caller's country (CF-IPCountry …), which it must overwrite; or one country for everybody.
# Where neither is set, models whose licence leaves countries out are offered to nobody.
TERRITORY_HEADER = env.str("TERRITORY_HEADER", "")
TERRITORY = env.str("TERRITORY", "", validate=validate.Regexp(r"^([A-Z]{2})?$", error="must be two letters such as DE"))
# Yearly revenue of whoever runs this. Models with a cap are not offered while it is not stated.
ANNUAL_REVENUE_DOLLARS = env.int("ANNUAL_REVENUE_DOLLARS", None)

# --- what a clip costs us: the admin shows each model's margin from these and from measured GPU seconds -----------

GPU_DOLLARS_PER_HOUR = env.float("GPU_DOLLARS_PER_HOUR", 2.0, validate=validate.Range(min=0))
CREDIT_DOLLARS = env.float("CREDIT_DOLLARS", 0.01, validate=validate.Range(min=0.0001))

# --- the queue -----------------------------------------------------------------------------------------------

HOUSEKEEPING_SECONDS = env.float("HOUSEKEEPING_SECONDS", 5.0, validate=validate.Range(min=0.1, max=60))
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", 3, validate=validate.Range(min=1, max=10))

# --- clips -----------------------------------------------------------------------------------------------------

# Words in the corner of clips whose workspace has a plan with a watermark; empty: there are none on this site.
MODERATION_STRICTNESS = env.str("MODERATION_STRICTNESS", "standard", validate=validate.OneOf(["standard", "relaxed"]))
WATERMARK = env.str("WATERMARK", "LoreMotion", validate=validate.Length(max=40))

# --- webhooks of people's own ----------------------------------------------------------------------------------

# Networks of yours, such as 10.1.0.0/16 or 127.0.0.0/8, that webhooks may go into, there also without TLS. All else but
# the open internet is refused: see loremotion.outbound.
WEBHOOK_PRIVATE_NETWORKS = env.list("WEBHOOK_PRIVATE_NETWORKS", [], subcast=ip_network)

# --- Django --------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "loremotion.outbox",
    "accounts",
    "billing",
    "billing.shop",
    "catalog",
    "generation",
    "generation.webhooks",
    "generation.sharing",
    "generation.boards",
    "generation.moderation",
    "generation.notices",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "rest_framework",
    "loremotion.apps.StaffConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "loremotion.metrics.RequestTimer",
    "loremotion.health.WorkMiddleware",
    "loremotion.database.GiveBackMiddleware",
    "loremotion.headers.PermissionsPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loremotion.headers.ContentSecurityPolicyMiddleware",
    "loremotion.row_security.middleware.RowSecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.signed_in.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.VisitorMiddleware",
    "accounts.sessions.LastSeenMiddleware",
    "accounts.second_factor.StaffSecondFactorMiddleware",
    "accounts.limits.RateLimitMiddleware",
    "loremotion.headers.ApiCachingMiddleware",
    "loremotion.errors.RefusalMiddleware",
]
ROOT_URLCONF = "loremotion.urls"
CSRF_FAILURE_VIEW = "loremotion.errors.csrf_failed"
ASGI_APPLICATION = "loremotion.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"moments": "loremotion.moments", "plots": "loremotion.plots"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.caller",
                "generation.context.credits_left",
            ],
        },
    }
]

# --- signing in ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# One, so that a password is hashed once a try.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LEAST_PASSWORD_CHARACTERS = 12
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": LEAST_PASSWORD_CHARACTERS},
        "CommonPasswordValidator": {},
    }.items()
]
PASSWORD_HASHERS = ["accounts.passwords.Argon2"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "generation:home"

# Modules that keep something for a workspace and move, stop, export and erase it: see accounts.workspace_data.
WORKSPACE_DATA = [
    "generation.workspace_data",
    "generation.boards.workspace_data",
    "generation.webhooks.workspace_data",
    "generation.moderation.workspace_data",
    "generation.notices.workspace_data",
    "accounts.mail_data",
    "billing.shop.workspace_data",
]
# Says what Prometheus is told of the site as a whole: see loremotion.metrics.
SITE_FIGURES = "generation.site_figures.collect"
# Says what the admin's first page shows: see loremotion.staff_site.
STAFF_HOME = "generation.admin_home.figures_of"
# The admin's pages that are no model's: see loremotion.staff_pages.
STAFF_PAGES = "generation.staff.pages.PAGES"
# Says whose own account it is, which nobody gives credits to alone: see billing.proposals.
ACCOUNT_MEMBERSHIP = "accounts.members.is_active_member"
# Says how many members the plan of a workspace has room for: see accounts.seats.
WORKSPACE_SEATS = "billing.plans.seats"

ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_CHANGE_EMAIL = True
# An address is proved before it opens anything; by a code, which is typed in the browser that asked for it.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# They are sent nothing: accounts.adapter writes mail to nobody, which takes as long as mail to somebody.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
# As long as the mail with a code is tried, so that a mail server may be away for a while.
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if IS_HTTPS else "http"
# By network, as accounts.networks cuts it. Each account has free credits, so accounts are not to be had by the dozen.
ACCOUNT_RATE_LIMITS = {"signup": "10/m/ip,50/d/ip"}
USERSESSIONS_TRACK_ACTIVITY = False  # no write on every request: accounts.sessions notes it now and then

# Whether the admin asks for a second factor. On the machine of whoever tries it out it does not, unless told to.
STAFF_MFA = env.bool("STAFF_MFA", None)
if STAFF_MFA is None:
    STAFF_MFA = not IS_ONE_MACHINE
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = True
MFA_TOTP_ISSUER = "LoreMotion"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = IS_ONE_MACHINE  # browsers count localhost as secure, though it is http

# Sign-in through providers that speak OpenID Connect: each is offered once its settings are there.
GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", "")
GOOGLE_CLIENT_SECRET = env.str("GOOGLE_CLIENT_SECRET", "")
OIDC_NAME = env.str("OIDC_NAME", "Single sign-on")
OIDC_SERVER_URL = env.str(
    "OIDC_SERVER_URL",
    "",
    validate=validate.Regexp(
        r"^(https://.+|http://(127\.0\.0\.1|localhost)(:\d+)?(/.*)?)?$", error="must begin with https://"
    ),
)
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", "")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", "")
OIDC_TRUST_EMAIL = env.bool("OIDC_TRUST_EMAIL", False)
if len({bool(GOOGLE_CLIENT_ID), bool(GOOGLE_CLIENT_SECRET)}) > 1:
    raise ImproperlyConfigured("GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET belong together: set both, or neither.")
if len({bool(OIDC_SERVER_URL), bool(OIDC_CLIENT_ID), bool(OIDC_CLIENT_SECRET)}) > 1:
    raise ImproperlyConfigured(
        "OIDC_SERVER_URL, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET belong together: set all, or none."
    )
SIGN_IN_PROVIDERS = [
    {
        "provider_id": "google",
        "name": "Google",
        "client_id": GOOGLE_CLIENT_ID,
        "secret": GOOGLE_CLIENT_SECRET,
        # Google answers for the addresses that it calls verified: they open the account that has them.
        "settings": {"server_url": "https://accounts.google.com", "email_authentication": True},
    },
    {
        "provider_id": "sso",
        "name": OIDC_NAME,
        "client_id": OIDC_CLIENT_ID,
        "secret": OIDC_CLIENT_SECRET,
        "settings": {
            "server_url": OIDC_SERVER_URL,
            "email_authentication": OIDC_TRUST_EMAIL,
            "verified_email": OIDC_TRUST_EMAIL,
        },
    },
]
SIGN_IN_PROVIDERS = [provider for provider in SIGN_IN_PROVIDERS if provider["client_id"]]
SIGN_IN_ORIGINS = [
    "{0.scheme}://{0.netloc}".format(urlsplit(provider["settings"]["server_url"])) for provider in SIGN_IN_PROVIDERS
]
SOCIALACCOUNT_ADAPTER = "accounts.openid.adapter.SocialAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "accounts.openid.provider.OpenIDProvider",
        "OAUTH_PKCE_ENABLED": True,
        "APPS": SIGN_IN_PROVIDERS,
    }
}
# Who was found by address is known by the provider's own name for them from then on, whatever address they have.
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True

LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": MEDIA_DIR}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "URL_FORMAT_OVERRIDE": None,  # what is sent as ?format= is a parameter like any other
    "EXCEPTION_HANDLER": "loremotion.errors.api_exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

# --- guard rails ---------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
# A promise for the whole domain, not for this site alone, so whoever runs it has to say so.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS and env.bool("HSTS_PRELOAD", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURITY_CONTACT = env.str(
    "SECURITY_CONTACT", "", validate=validate.Regexp(r"^((mailto|https):\S+)?$", error="must be mailto: or https:")
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "media-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF, *SIGN_IN_ORIGINS, *PAY_ORIGINS],
        "frame-ancestors": [NONE],
    }
    # A widget of others, where one is shown: its script, and the frame that the script opens.
    | ({"script-src": [SELF, *PROOF_ORIGINS], "frame-src": PROOF_ORIGINS} if PROOF_ORIGINS else {})
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"ids": {"()": "gpu_worker.log_context.ContextFilter"}},
    "formatters": {
        "line": {
            "()": "gpu_worker.log_context.LineFormatter",
            "format": "{asctime} {levelname:7} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "gpu_worker.log_context.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["ids"],
            "formatter": env.str("LOG_FORMAT", "line", validate=validate.OneOf(["line", "json"])),
        },
        "operator": {"class": "loremotion.alerts.AdminMailHandler"},
    },
    # Django's own handler would mail whole requests to ADMINS, and keep whoever sent them waiting.
    "loggers": {"django": {"handlers": []}},
    "root": {"handlers": ["console", "operator"], "level": env.str("LOG_LEVEL", "INFO")},
}

# Where errors are reported to besides the log; requirements/sentry.txt has the package.
# Whoever sends it as a bearer token is told the site's figures at /metrics; without one there is no such address.
METRICS_TOKEN = env.str("METRICS_TOKEN", "", validate=validate.Regexp(r"^(\S{20,})?$", error="must be 20 characters"))
SENTRY_DSN = env.str("SENTRY_DSN", "", validate=validate.Regexp(r"^(https?://\S+@\S+/\d+)?$", error="must be a DSN"))
if SENTRY_DSN:
    alerts.start_sentry(SENTRY_DSN)
