"""What each workspace spent, added up by day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class SpentDay(models.Model):
    """A part of what an account spent on a day of UTC, by model, key and member: see ``generation.spending``.

    Triggers on holds and clips write a row for each change, in its transaction, and never update one: so nobody waits
    for anybody else's sums, and the rows of a day add up to its holds at every moment. The beat adds up rows of before.
    """

    account_id = models.UUIDField()
    day = models.DateField()
    version_id = models.BigIntegerField(null=True)
    """As of the clip, like the two after it; None of a hold whose clip is erased, or not written yet."""
    api_key_id = models.BigIntegerField(null=True)
    made_by_id = models.BigIntegerField(null=True)
    clips = models.BigIntegerField()
    seconds = models.DecimalField(max_digits=24, decimal_places=9)
    """Of finished clips. A decimal: what is taken away again leaves nothing."""
    held = models.BigIntegerField()
    charged = models.BigIntegerField()
    given_back = models.BigIntegerField()
    is_summed = models.BooleanField(default=False, db_default=False)
    """Whether the beat has added it up, and not a trigger written it."""

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["account_id", "day"], name="spentday_of_account"),
            models.Index(fields=["id"], name="spentday_to_sum", condition=Q(is_summed=False)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}: {self.held + self.charged}"
