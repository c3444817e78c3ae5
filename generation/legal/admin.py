"""The words of terms and privacy, for superusers."""

from __future__ import annotations

from django.contrib import admin

from generation.legal.models import LegalPage


@admin.register(LegalPage)
class LegalPageAdmin(admin.ModelAdmin[LegalPage]):
    """The words of /terms/ and /privacy/. Where there is no row, the site's own template stands there."""

    list_display = ["slug", "updated_at"]
    show_full_result_count = False
