"""For whoever runs the site, when somebody has lost their second factor and cannot get into the admin again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import second_factor
from accounts.email_addresses import is_address
from accounts.models import User


class Command(BaseCommand):
    help = (
        "Forget somebody's authenticator app, passkeys and recovery codes, and sign them out everywhere. They sign in "
        "by password or code, and staff then sets up a new one. It is noted in their audit log and mailed to them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the address of their account")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        user = User.objects.filter(is_address(email)).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}. See the admin's list of users, or manage.py shell.")
        forgotten = second_factor.forget(user, actor="operator")
        if not forgotten:
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"Forgot of {user.email}: {', '.join(forgotten)}. They are signed out everywhere.")
