"""The ASGI application that uvicorn serves."""

import os

from django.core.asgi import get_asgi_application

from loremotion.bodies import BodyLimit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")

application = BodyLimit(get_asgi_application())
