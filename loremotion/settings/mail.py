"""Mail: what it may say, how it leaves, and who runs the site."""

from __future__ import annotations

from pathlib import Path

import dj_email_url

from loremotion.settings.site import BASE_DIR, env

# What mail may say, each table beside its functions: see loremotion.outbox.mail.
MAIL_CONTENTS = [
    "accounts.invitations.MAIL",
    "accounts.sign_in_mail.MAIL",
    "billing.shop.notices.MAIL",
    "generation.submission.spending_alerts.MAIL",
    "generation.settlement.notifications.MAIL",
    "generation.webhooks.letters.MAIL",
    "generation.provider_keys.letters.MAIL",
    "generation.moderation.reviews.MAIL",
    "generation.notices.letters.MAIL",
]
# What a mail is about, where the admin has a page of it: the page, and who may open it.
MAIL_IS_ABOUT = {
    "generation.settlement.notifications.clip_ended_content": (
        "generation_generation_change",
        "generation.view_generation",
    ),
    "generation.webhooks.letters.endpoint_disabled_content": ("webhooks_endpoint_change", "webhooks.view_endpoint"),
    "generation.provider_keys.letters.key_refused_content": (
        "provider_keys_providerkey_change",
        "provider_keys.view_providerkey",
    ),
    "generation.moderation.reviews.decided_content": ("moderation_review_change", "moderation.view_review"),
    "generation.notices.letters.received_content": ("notices_notice_change", "notices.view_notice"),
    "generation.notices.letters.decided_content": ("notices_notice_change", "notices.view_notice"),
    "generation.notices.letters.concerned_content": ("notices_notice_change", "notices.view_notice"),
}
# What staff calls each: the names of the functions alone say little, and two are the same.
MAIL_IS_CALLED = {
    "accounts.invitations.offer_content": "Invite to a team",
    "accounts.sign_in_mail.sealed_content": "Signing in and addresses",
    "accounts.sign_in_mail.no_content": "Nothing, as nobody has the address",
    "billing.shop.notices.payment_failed_content": "Your payment failed",
    "billing.shop.notices.low_balance_content": "Your credits are low",
    "billing.shop.notices.cap_used_content": "Your credit limit is used",
    "generation.submission.spending_alerts.cap_used_content": "The limit of a key, model or member is used",
    "generation.settlement.notifications.clip_ended_content": "Your clip is ready or has failed",
    "generation.webhooks.letters.endpoint_disabled_content": "Your webhook is turned off",
    "generation.provider_keys.letters.key_refused_content": "Your provider key is refused",
    "generation.moderation.reviews.decided_content": "Your prompt was reviewed",
    "generation.notices.letters.received_content": "Your report came in",
    "generation.notices.letters.decided_content": "Your report was decided",
    "generation.notices.letters.concerned_content": "Your clip was reported",
}

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
