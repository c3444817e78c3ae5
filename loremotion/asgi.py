"""The ASGI application that uvicorn serves."""

import os

from django.core.asgi import get_asgi_application

from loremotion.bodies import BodyLimit
from loremotion.lasting import SharedThreads

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")

application = BodyLimit(SharedThreads(get_asgi_application()))
