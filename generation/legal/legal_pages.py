"""The pages that the law asks for: staff's own words, or a plain template to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from generation.legal.models import LegalPage


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    is_heading: bool


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    paragraphs: list[Paragraph]
    is_template: bool
    """Whether nobody of the site has written it: it is no legal advice."""
    updated_at: datetime | None
    is_translation: bool
    """Whether it is ours in another language than English, whose words decide."""


def page_of(slug: str) -> Page:
    """Return the page as it stands now: what staff wrote, else the template in the reader's language."""
    own = LegalPage.objects.filter(slug=slug).first()
    language = translation.get_language() or settings.LANGUAGE_CODE
    text = own.text if own is not None else render_to_string([f"legal/{slug}.{language}.txt", f"legal/{slug}.txt"])
    return Page(
        title=str(LegalPage.Slug(slug).label),
        paragraphs=paragraphs_of(text),
        is_template=own is None,
        updated_at=own.updated_at if own is not None else None,
        is_translation=own is None and language != settings.LANGUAGE_CODE,
    )


def paragraphs_of(text: str) -> list[Paragraph]:
    """Return the paragraphs of plain text, headings among them."""
    found: list[Paragraph] = []
    for part in text.replace("\r\n", "\n").split("\n\n"):
        heading, _, rest = part.strip().partition("\n") if part.strip().startswith("#") else ("", "", part.strip())
        if heading:
            found.append(Paragraph(heading.lstrip("# "), is_heading=True))
        if rest.strip():
            found.append(Paragraph(rest.strip(), is_heading=False))
    return found
