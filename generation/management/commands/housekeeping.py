from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from generation.settlement import housekeeping
from loremotion import database, valkey


class Command(BaseCommand):
    help = "Put right what crashes left: dispatch what was lost, reclaim from dead workers, release orphaned holds."
    requires_system_checks = ()  # as of rqworker

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="One round, then leave.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        database.bound_process()
        valkey.warn_of_eviction()
        if once:
            housekeeping.beat()
        else:
            housekeeping.run_forever(every_seconds=settings.HOUSEKEEPING_SECONDS)
