"""Staff's own words for terms and privacy."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy


class LegalPage(models.Model):
    """The words of a page that the law asks for, where staff has written its own."""

    class Slug(models.TextChoices):
        TERMS = "terms", gettext_lazy("Terms")
        PRIVACY = "privacy", gettext_lazy("Privacy")

    slug = models.CharField("page", max_length=10, choices=Slug, primary_key=True)
    text = models.TextField(help_text="An empty line begins a paragraph; a line that begins with # is a heading.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "notices_legalpage"

    def __str__(self) -> str:
        return self.get_slug_display()
