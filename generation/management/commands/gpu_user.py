from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gpu_worker.rq_seams import scripts, valkey_rights
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE
from loremotion.valkey import connection


class Command(BaseCommand):
    help = (
        "Print a user of Valkey for GPU hosts, with a new password: the line for Valkey's ACL file, and the hosts' "
        "REDIS_URL. The password is kept nowhere. Print it anew with an upgrade: it may need other rights. The scripts "
        "that hosts of this release run are loaded into Valkey."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", default=valkey_rights.USER, help="its name (default: %(default)s)")
        parser.add_argument(
            "--worker",
            default=valkey_rights.ANY_WORKER,
            metavar="NAME",
            help="GPU_WORKER_NAME of the only worker that gets it; by default all share one user",
        )
        parser.add_argument(
            "--remote", action="store_true", help="for remote workers (docs/remote.md): their line, and not the cards'"
        )
        parser.add_argument("--password", default="", help="keep this one, such as after an upgrade")

    def handle(self, *args: Any, user: str, worker: str, remote: bool, password: str, **options: Any) -> None:
        if not user.isalnum() or user == "default":
            raise CommandError(f"A user is called by letters and digits, and not 'default': {user!r}.")
        queue = REMOTE_QUEUE if remote else RENDER_QUEUE
        password = password or secrets.token_urlsafe(32)
        try:
            line = valkey_rights.user_line(password, user=user, worker=worker, queue=queue)
        except ValueError as problem:
            raise CommandError(f"{problem}: letters, digits, dots, dashes and underscores.") from problem
        try:
            scripts.load(connection())
        except redis.RedisError as problem:
            self.stderr.write(
                f"Valkey does not have the scripts of this release yet, the beat will load them: {problem}"
            )
        url = urlsplit(settings.REDIS_URL)
        host = url.netloc.rpartition("@")[2]
        # Whoever may log in to Sentinel as the website does may have more of it than a GPU host needs.
        query = "&".join(each for each in url.query.split("&") if not each.startswith("sentinel_"))
        self.stdout.write("# For Valkey's ACL file; without its first word it follows ACL SETUSER as well.")
        self.stdout.write(line)
        self.stdout.write("# For the remote workers." if remote else "# For the GPU hosts.")
        self.stdout.write(f"REDIS_URL={url._replace(netloc=f'{user}:{password}@{host}', query=query).geturl()}")
        if query != url.query:
            self.stdout.write("# Add the host's own &sentinel_username=…&sentinel_password=…: see docs/gpu-hosts.md.")
