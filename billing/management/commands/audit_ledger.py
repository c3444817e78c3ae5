"""Prove the books, or say where they are wrong."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from billing import ledger
from billing.shop import balance, reconcile
from billing.statements import totals


class Command(BaseCommand):
    help = (
        "Recompute every lot, balance, hold and hash from the entries. Prints the totals and the digest of all "
        "chains; exits with 1 and a list where something that must always be true is not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--stripe", action="store_true", help="compare the last weeks with Stripe as well")
        parser.add_argument("--limit", type=int, default=100, help="violations to list at most (default 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        books = totals()
        self.stdout.write(f"{books.accounts} accounts, {books.transactions} transactions, {books.entries} entries")
        for code, credits in books.credits.items():
            self.stdout.write(f"  {code:<10} {credits:>14}")
        self.stdout.write(f"  digest of all chains {books.digest}")
        if options["stripe"]:
            self._compare_with_stripe()
        violations = ledger.violations(limit=options["limit"])
        for violation in violations:
            where = violation.account or "all accounts"
            self.stderr.write(f"{violation.rule}: {violation.subject} of {where} ({violation.detail})")
        if violations:
            raise CommandError(
                f"The books are wrong: {len(violations)} violations are listed above (at most {options['limit']}). "
                "Stop selling, keep a copy of the database, and compare with the last audit's digest."
            )
        self.stdout.write(self.style.SUCCESS("no violation: every credit is accounted for"))

    def _compare_with_stripe(self) -> None:
        """Make the nightly comparison now: what differs converges, and what stays different is a breach."""
        comparison = reconcile.compare_books()
        if comparison is None:
            raise CommandError("Another process is comparing at this moment. Ask again when it is done.")
        for line in balance.in_words(comparison.balance):
            self.stdout.write(f"  {line}")
        apart = list(comparison.mismatches.filter(is_mended=False))
        for one in apart:
            self.stderr.write(str(one))
        if apart:
            raise CommandError(f"Stripe and our books differ in {len(apart)} points, which are listed above.")
        self.stdout.write(f"Stripe says the same of {comparison.checked} payments")
