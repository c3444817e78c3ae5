from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog import transfer


class Command(BaseCommand):
    help = "The catalogue as YAML: `catalog dump > models.yaml`, edit, `catalog load models.yaml`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("dump", help="Write every model to standard output.")
        load = actions.add_parser("load", help="Bring the catalogue to what a file says.")
        load.add_argument("file", help="The file, or - for standard input.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "dump":
            self.stdout.write(transfer.dump(), ending="")
            return
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text()
            changes = transfer.load(text)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except transfer.BadFile as error:
            raise CommandError(f"Nothing was changed.\n{error}") from error
        for change in changes:
            self.stdout.write(f"{change.slug}: {change.what}")
        if not changes:
            self.stdout.write("The catalogue says so already.")
