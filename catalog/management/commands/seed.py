from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.seed import seed


class Command(BaseCommand):
    help = "Fill a fresh catalogue. Safe to repeat: rows that are there stay as they are."

    def handle(self, *args: Any, **options: Any) -> None:
        added = seed()
        self.stdout.write(f"Added {', '.join(added)}." if added else "The catalogue is seeded already.")
