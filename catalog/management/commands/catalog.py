from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from catalog import tokenizer_files, transfer
from catalog.models import Model


class Command(BaseCommand):
    help = "The catalogue as YAML: `catalog dump > models.yaml`, edit, `catalog load models.yaml`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("dump", help="Write every model to standard output.")
        actions.add_parser("tokenizers", help="Fetch each model's tokenizer, so that prompts are counted exactly here.")
        load = actions.add_parser("load", help="Bring the catalogue to what a file says.")
        load.add_argument("file", help="The file, or - for standard input.")
        load.add_argument("--by", metavar="EMAIL", help="Whose name the new versions carry in the history.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "dump":
            self.stdout.write(transfer.dump(), ending="")
            return
        if options["action"] == "tokenizers":
            self._fetch_tokenizers()
            return
        try:
            text = sys.stdin.read() if options["file"] == "-" else Path(options["file"]).read_text()
            by = User.objects.get_by_natural_key(options["by"]) if options["by"] else None
            changes = transfer.load(text, by=by, note=f"Loaded from {options['file']}"[:200])
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except User.DoesNotExist as error:
            raise CommandError(f"There is no user {options['by']}.") from error
        except transfer.BadFile as error:
            raise CommandError(f"Nothing was changed.\n{error}") from error
        for change in changes:
            self.stdout.write(f"{change.slug}: {change.what}")
        if not changes:
            self.stdout.write("The catalogue says so already.")

    def _fetch_tokenizers(self) -> None:
        for model in Model.objects.exclude(current=None).select_related("current"):
            version = model.current
            if version is None or not tokenizer_files.is_on_the_hub(version):
                continue
            try:
                self.stdout.write(f"{model.slug}: {tokenizer_files.fetch(version)}")
            except OSError as problem:
                self.stderr.write(f"{model.slug}: {problem}; its prompts are bounded by their bytes.")
