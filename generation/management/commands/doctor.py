from __future__ import annotations

import contextlib
import sys
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from catalog import tokenizer_files
from generation.provider_keys import readiness as key_readiness
from generation.storage import round_trip
from loremotion import health, valkey, valkey_memory


class Command(BaseCommand):
    help = "Say whether the stores answer and every process does its work. Exit status 1 where not: made for cron."

    def handle(self, *args: Any, **options: Any) -> None:
        with contextlib.suppress(OSError):  # an idle site works by answering this; its age says whether it did
            urllib.request.urlopen(f"{settings.SITE_URL}/readyz", timeout=10).close()  # noqa: S310 - an address of ours
        readiness = health.readiness()
        self._say("database", "answers" if readiness.database else "does not answer", is_well=readiness.database)
        self._say("valkey", "takes writes" if readiness.valkey else "takes no write", is_well=readiness.valkey)
        self._say("disk", f"{health.free_bytes() // 2**20} MiB are free", is_well=readiness.disk)
        stored = round_trip.find_fault()
        said = "can be stored and read" if stored is None else f"{stored.what} {stored.next_step}"
        self._say("files", said, is_well=stored is None)
        fault = valkey.eviction_fault() if readiness.valkey else ""
        if fault:
            self.stdout.write(f"BAD   valkey: {fault}")
        if readiness.valkey and (advice := valkey.persistence_fault()):  # costs time and no job: the exit status stays
            self.stdout.write(f"note  valkey: {advice}")
        if readiness.valkey and (advice := valkey_memory.limit_advice()):
            self.stdout.write(f"note  valkey: {advice}")
        if readiness.database:
            for slug, advice in tokenizer_files.missing().items():
                self.stdout.write(f"note  {slug}: prompts have one byte a token, for want of its tokenizer: {advice}")
        unopened = key_readiness.faults() if readiness.valkey and readiness.database else []
        for said in unopened:
            self.stdout.write(f"BAD   provider keys: {said}")
        if readiness.database and (advice := key_readiness.advice()):
            self.stdout.write(f"note  provider keys: {advice}")
        for process in readiness.processes:
            age = "not in a week" if process.seconds is None else f"{process.seconds:.0f} s ago"
            self._say(process.name, f"last worked: {age}", is_well=not process.is_late)
        if (
            fault
            or stored
            or unopened
            or not readiness.is_ready
            or any(process.is_late for process in readiness.processes)
        ):
            sys.exit(1)

    def _say(self, what: str, how: str, *, is_well: bool) -> None:
        self.stdout.write(f"{'ok  ' if is_well else 'LATE' if 'last worked' in how else 'AWAY'}  {what}: {how}")
