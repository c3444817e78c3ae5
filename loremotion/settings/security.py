"""Cookies, HTTPS, and what browsers may load from where."""

from __future__ import annotations

from csp.constants import NONE, SELF
from environs import validate

from loremotion.bodies import MAX_BODY_BYTES
from loremotion.settings.limits import PROOF_ORIGINS
from loremotion.settings.payment import PAY_ORIGINS
from loremotion.settings.sign_in import SIGN_IN_ORIGINS
from loremotion.settings.site import IS_HTTPS, TRUSTED_PROXIES, env
from loremotion.settings.stores import STORE_ORIGINS

DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
FILE_UPLOAD_HANDLERS = [
    "loremotion.form_parts.StrictParts",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
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
CONTACT_EMAIL = env.str(
    "CONTACT_EMAIL", "", validate=validate.Regexp(r"^([^\s@<>\"]+@[^\s@<>\"]+)?$", error="must be an email address")
)
"""Whom people write to: shown in the footer, on legal pages and where something isn't there. Empty: nowhere."""
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", *STORE_ORIGINS],
        "media-src": [SELF, *STORE_ORIGINS],
        "connect-src": [SELF, *STORE_ORIGINS],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF, *SIGN_IN_ORIGINS, *PAY_ORIGINS],
        "frame-ancestors": [NONE],
    }
    # A widget of others, where one is shown: its script, and the frame that the script opens.
    | ({"script-src": [SELF, *PROOF_ORIGINS], "frame-src": PROOF_ORIGINS} if PROOF_ORIGINS else {})
}
