"""What Django is made of here: apps, middleware, templates, the API, languages."""

from __future__ import annotations

from loremotion.settings.site import BASE_DIR

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
    "generation.drafts",
    "generation.provider_keys",
    "generation.storyboards",
    "generation.characters",
    "generation.moderation",
    "generation.notices",
    "generation.legal",
    "generation.provenance",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "allauth.idp.oidc",
    "rest_framework",
    "drf_spectacular_sidecar",  # files alone: Swagger UI
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
    "loremotion.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.signed_in.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.VisitorMiddleware",
    "accounts.sessions.LastSeenMiddleware",
    "accounts.second_factor.StaffSecondFactorMiddleware",
    "accounts.request_log.RequestLogMiddleware",
    "accounts.origins.CorsMiddleware",
    "loremotion.api_versions.ApiVersionMiddleware",
    "accounts.limits.RateLimitMiddleware",
    "accounts.origins.KeyOriginMiddleware",
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
            "libraries": {
                "moments": "loremotion.moments",
                "plots": "loremotion.plots",
                "script_words": "loremotion.script_words",
                "list_parts": "loremotion.list_parts",
                "staff_words": "loremotion.staff_words",
            },
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.caller",
                "generation.context.credits_left",
                "generation.context.what_is_offered",
            ],
        },
    }
]

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

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each in its own words
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
FORMAT_MODULE_PATH = ["loremotion.formats"]
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
