"""Writes the site's own queue as a trace without names: ``manage.py queue_trace --days 7 > trace.json``."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generation.scheduling import queue_trace


class Command(BaseCommand):
    help = (
        "Writes when clips were asked for and what they took, as JSON for benchmarks.forecast --trace. No prompt, name "
        "or id is in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=float, default=7.0, help="how far back (7)")

    def handle(self, *args: Any, **options: Any) -> None:
        trace = queue_trace.record(days=options["days"])
        self.stderr.write(f"{len(trace.clips)} clips of {len(trace.models)} models on {len(trace.machines)} machines")
        self.stdout.write(json.dumps(trace.to_json(), separators=(",", ":")))
