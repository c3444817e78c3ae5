"""The ASGI application that uvicorn serves."""

import os

from django.core.asgi import get_asgi_application

from loremotion import database, row_security
from loremotion.bodies import BodyLimit
from loremotion.lasting import SharedThreads
from loremotion.probes import Probes
from loremotion.request_ids import RequestIds
from loremotion.row_security import role
from loremotion.send_deadline import SendDeadline

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")

application = RequestIds(Probes(SendDeadline(BodyLimit(SharedThreads(get_asgi_application())))))
row_security.bind_process()
database.bound_process()
role.refuse_without()
