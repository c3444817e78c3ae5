"""Drafts: clips that were made cheaply to see how others would come out, and what became of these."""

from __future__ import annotations

from django.db import models

from generation.models import Generation


class Draft(models.Model):
    """A clip that is a draft, and the clip that it is a draft of. Both are the same workspace's."""

    # The database deletes the note with either clip: processes of the release before know no drafts.
    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    final_preset = models.CharField(max_length=40)
    final_steps = models.PositiveIntegerField()
    """With these it is finished; all else of it stays."""
    final = models.ForeignKey(Generation, on_delete=models.CASCADE, null=True, related_name="+", db_constraint=False)
    """The finished clip, or the last try at it."""

    def __str__(self) -> str:
        return f"draft {self.generation_id}"


def draft_of(generation: Generation) -> Draft | None:
    """The note of a clip that is a draft, or that was made from one, with both clips at hand; None for any other."""
    found = Draft.objects.select_related("generation__version__model", "generation__clip", "final")
    return found.filter(models.Q(generation=generation) | models.Q(final=generation)).first()
