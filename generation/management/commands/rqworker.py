from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from loremotion import database, queue_worker, valkey

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Work off one of the site's queues. Each calls only the functions of its table."
    requires_system_checks = ()  # a third of its start: they import every page, and `manage.py check` makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", choices=sorted([*settings.QUEUE_JOBS, *settings.FORMER_QUEUES.values()]))
        parser.add_argument("--burst", action="store_true", help="Leave when the queue is empty.")

    def handle(self, *args: Any, queue: str, burst: bool, **options: Any) -> None:
        for name, former in settings.FORMER_QUEUES.items():
            if queue == former:
                logger.warning("The queue %s is called %s now: start rqworker %s", former, name, name)
                queue = name
        database.bound_process()
        valkey.warn_of_eviction()
        queue_worker.work(queue, burst=burst)
