"""The ASGI application that uvicorn serves."""

import gc
import os

import django
from django.conf import settings
from django.utils.module_loading import import_string

from loremotion import database, garbage, row_security
from loremotion.agents.server import Agents
from loremotion.bodies import BodyLimit
from loremotion.handler import OneThreadHandler
from loremotion.idle_work import IdleWork
from loremotion.metrics import Metrics
from loremotion.page_deadline import PageDeadline
from loremotion.probes import Probes
from loremotion.request_ids import RequestIds
from loremotion.row_security import role
from loremotion.send_deadline import SendDeadline

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")

gc.disable()  # until it has settled: of what is made from here on all stays
django.setup(set_prefix=False)
application = IdleWork(RequestIds(Probes(Metrics(SendDeadline(BodyLimit(Agents(PageDeadline(OneThreadHandler()))))))))
row_security.bind_process()
database.bound_process()
database.warn_of_few_connections()
role.refuse_without()
for begin in settings.BEFORE_SERVING:
    import_string(begin)()
garbage.settle()
