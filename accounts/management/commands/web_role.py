from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from loremotion.row_security import ROLE, role


class Command(BaseCommand):
    help = "Make the role that requests run as, unless it is there, and let it reach every table. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            role.prepare(connection)
        except role.NoWebRole as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Requests can run as {ROLE}.")
