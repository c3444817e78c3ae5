"""A picture of what each model makes, for staff: of clips that are no customer's secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from catalog.models import Model
from generation.models import TRIALS_WORKSPACE, Clip
from generation.sharing import public

MOST_PICKED: Final = 100
"""Of the clips on Explore, newest first, that are looked through for one of each model."""
_SLUG: Final = "generation__version__model__slug"


def newest(models: Sequence[Model]) -> dict[str, str]:
    """Return slug → address of a picture, in two queries however many models: of the newest clip that staff picked for
    Explore, else of the newest test render. The built-in model has one anyway; of the others there may be none."""
    slugs = [model.slug for model in models]
    built_in = static("samples/circle-still.webp")
    found = {model.slug: built_in for model in models if model.current is not None and model.current.is_built_in}
    tried = Clip.objects.filter(
        **{f"{_SLUG}__in": slugs},
        generation__workspace_id=TRIALS_WORKSPACE,
        generation__deleted_at=None,
        expires_at__gt=timezone.now(),
    )
    last = tried.order_by(_SLUG, "-created_at").distinct(_SLUG).values_list(_SLUG, "generation_id")
    found |= {slug: reverse("generation:trial-poster", args=[id]) for slug, id in last}
    picked = reversed(public.featured_clips(limit=MOST_PICKED))
    shown = {each.model_slug: reverse("generation:shared-poster", args=[each.token]) for each in picked}
    return found | {slug: address for slug, address in shown.items() if slug in slugs}
