"""Says at each start, and to ``manage.py check``, whether clips can be signed, and two months before they cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core import checks

from generation.provenance import certificate

UNSIGNED = "C2PA_CERTIFICATE is empty: clips carry no mark that says a model made them, which EU law asks for."
NEXT_STEP = "docs/operations.md says how to get a certificate, or run `manage.py signing_certificate`."


def check_certificate(**_: Any) -> list[checks.CheckMessage]:
    """What is wrong with the certificate that the settings name."""
    if not certificate.is_configured():
        return [checks.Info(UNSIGNED, hint=NEXT_STEP, id="provenance.I001")]
    try:
        credential = certificate.current()
    except certificate.Unusable as problem:
        return [checks.Error(f"Clips cannot be signed: {problem}", id="provenance.E001")]
    left = credential.expires_at - datetime.now(UTC)
    if left < certificate.WARNED_BEFORE:
        end = f"{credential.expires_at:%-d %B %Y}"
        text = f"The certificate that clips are signed with expires on {end}, and with it what has no time stamp."
        hint = "Put a new one in its place; no process needs a restart."
        return [checks.Warning(text, hint=hint, id="provenance.W001")]
    return []
