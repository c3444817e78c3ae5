"""Signing in: by password or code, by a second factor, through providers."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import validate

from loremotion.settings.site import IS_HTTPS, IS_ONE_MACHINE, env

AUTH_USER_MODEL = "accounts.User"
# One, so that a password is hashed once a try.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LEAST_PASSWORD_CHARACTERS = 12
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password_rules.PasswordRules", "OPTIONS": {"min_length": LEAST_PASSWORD_CHARACTERS}}
]
PASSWORD_HASHERS = ["accounts.passwords.Argon2", "accounts.passwords.RandomSecret"]  # people's, then those of apps
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "generation:home"

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
# The other way round, apps that people connect (accounts.oauth): each registers itself, and is asked about each time.
IDP_OIDC_ADAPTER = "accounts.oauth.adapter.OIDCAdapter"
IDP_OIDC_DCR_ENABLED = True
IDP_OIDC_DCR_REQUIRES_INITIAL_ACCESS_TOKEN = False
IDP_OIDC_CIMD_ENABLED = False  # no address that an app names is fetched
IDP_OIDC_RATE_LIMITS = {"client_registration": "10/m/ip,100/d/ip"}
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 3600
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = 90 * 86_400  # of an app that is not used any more; each use gives a new one
# Who was found by address is known by the provider's own name for them from then on, whatever address they have.
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
