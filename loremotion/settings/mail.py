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
    "generation.moderation.reviews.decided_content": ("moderation_review_change", "moderation.view_review"),
    "generation.notices.letters.received_content": ("notices_notice_change", "notices.view_notice"),
    "generation.notices.letters.decided_content": ("notices_notice_change", "notices.view_notice"),
    "generation.notices.letters.concerned_content": ("notices_notice_change", "notices.view_notice"),
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
