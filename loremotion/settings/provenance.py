"""Content Credentials (C2PA), with which clips say that a model made them, and the invisible id in their pictures.

Without a certificate no clip is signed, and without a key none is labelled.
"""

from __future__ import annotations

from environs import validate

from loremotion.settings.site import env

# Paths of PEM files: the chain, leaf first and root left out, and its key, unless a function of yours signs.
C2PA_CERTIFICATE = env.str("C2PA_CERTIFICATE", "")
C2PA_PRIVATE_KEY = env.str("C2PA_PRIVATE_KEY", "")
C2PA_SIGNER = env.str("C2PA_SIGNER", "")
# The roots whose signatures /verify/ believes, former ones among them.
C2PA_ISSUERS = env.str("C2PA_ISSUERS", "")
C2PA_TIMESTAMP_URL = env.str(
    "C2PA_TIMESTAMP_URL", "", validate=validate.Regexp(r"^(https?://\S+)?$", error="must be a URL")
)

# The first labels, and all of them are tried when somebody asks where a video comes from. Each is any long text.
INVISIBLE_ID_KEYS = env.list("INVISIBLE_ID_KEYS", [])
