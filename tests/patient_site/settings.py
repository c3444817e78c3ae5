"""The site's own settings, with ``tests.patient_site`` beside them."""

from loremotion.settings import *  # noqa: F403
from loremotion.settings import INSTALLED_APPS as USUAL_APPS
from loremotion.settings import MEDIA_DIR
from loremotion.settings import STORAGES as USUAL_STORAGES
from tests.patient_site.servers import BUCKET, address_of

INSTALLED_APPS = [*USUAL_APPS, "tests.patient_site.apps.PatientSite"]
SOCIALACCOUNT_REQUESTS_TIMEOUT = 3600
STORAGES = {
    **USUAL_STORAGES,
    "default": {
        "BACKEND": "tests.patient_site.storage.TwoPlaces",
        "OPTIONS": {"location": MEDIA_DIR, "endpoint": f"http://{address_of(BUCKET)}"},
    },
}
