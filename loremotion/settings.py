"""Every setting of the web side, read from the environment.

A bad value refuses to start and names its variable. Each variable stands in the README's table; a test compares
the two. Defaults are the safe ones: a bare environment runs with DEBUG off and asks for what it cannot guess.
"""

from __future__ import annotations

from pathlib import Path

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF
from environs import Env, validate

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Model] and its like be written at run time

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(eager=True)

# --- what this installation is -------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", validate=validate.Length(min=32, error="must be at least 32 characters of chance"))
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", [])
IS_HTTPS = SITE_URL.startswith("https://")
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=validate.Range(min=0, max=8))

# --- stores --------------------------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", validate=validate.Regexp(r"^postgres(ql)?://", error="must be postgres://…"))
DATABASES = {
    "default": dj_database_url.parse(DATABASE_URL, conn_max_age=0, conn_health_checks=True)
    | {
        "ATOMIC_REQUESTS": False,
        # A pool rather than persistent connections: under ASGI each request may run on another thread.
        "OPTIONS": {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 10), "timeout": 10}},
    }
}
REDIS_URL = env.str("REDIS_URL", validate=validate.Regexp(r"^(rediss?|unix)://", error="must be redis://…"))
MEDIA_DIR = Path(env.str("MEDIA_DIR", str(BASE_DIR / "var" / "media"))).resolve()
# How finished clips reach MEDIA_DIR: a folder that GPU hosts share, or PUT over HTTP to SITE_URL.
CLIP_UPLOAD = env.str("CLIP_UPLOAD", "folder", validate=validate.OneOf(["folder", "http"]))

RQ_QUEUES = {
    name: {"URL": REDIS_URL, "SERIALIZER": "rq.serializers.JSONSerializer", "DEFAULT_TIMEOUT": 120}
    for name in ("render", "reports")
}
RQ = {"DEFAULT_RESULT_TTL": 24 * 3600}

# --- what visitors get ---------------------------------------------------------------------------------------

FREE_DAILY_CREDITS = env.int("FREE_DAILY_CREDITS", 60, validate=validate.Range(min=0))
VISITORS_PER_NETWORK_PER_DAY = env.int("VISITORS_PER_NETWORK_PER_DAY", 30, validate=validate.Range(min=1))

# --- what the licences of models ask ----------------------------------------------------------------------------

# The proxy's header with the caller's country (CF-IPCountry …), which it must overwrite; or one country for everybody.
# Where neither is set, models whose licence leaves countries out are offered to nobody.
TERRITORY_HEADER = env.str("TERRITORY_HEADER", "")
TERRITORY = env.str("TERRITORY", "", validate=validate.Regexp(r"^([A-Z]{2})?$", error="must be two letters such as DE"))
# Yearly revenue of whoever runs this. Models with a cap are not offered while it is not stated.
ANNUAL_REVENUE_DOLLARS = env.int("ANNUAL_REVENUE_DOLLARS", None)

# --- the queue -----------------------------------------------------------------------------------------------

HOUSEKEEPING_SECONDS = env.float("HOUSEKEEPING_SECONDS", 5.0, validate=validate.Range(min=0.1, max=60))
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", 3, validate=validate.Range(min=1, max=10))

# --- Django --------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",
    "billing",
    "catalog",
    "generation",
    "django_rq",
    "rest_framework",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.VisitorMiddleware",
    "loremotion.errors.RefusalMiddleware",
]
ROOT_URLCONF = "loremotion.urls"
ASGI_APPLICATION = "loremotion.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "generation.context.purse",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
USE_I18N = True
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
    "EXCEPTION_HANDLER": "loremotion.errors.api_exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

# --- guard rails ---------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "media-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
}
