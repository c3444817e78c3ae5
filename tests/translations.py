"""What people translate, and what Django reads of it: compiled here, so that no host needs GNU gettext.

``make messages`` collects the words and runs ``python -m tests.translations``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polib
from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = ROOT / "locale"
APPS: Final = ("accounts", "billing", "catalog", "generation", "gpu_worker", "loremotion")
_WITH_CONTEXT: Final = ((1, "c"), 2)
_MARKS: Final[dict[str, Any]] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy")),
    **dict.fromkeys(("pgettext", "pgettext_lazy", "npgettext", "npgettext_lazy"), _WITH_CONTEXT),
}
"""Functions that mark words, with which of their arguments say what is translated; None: the first."""


def sources() -> list[Path]:
    """The files that people translate, each beside what is compiled of it."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def compiled(source: Path) -> bytes:
    """What Django reads of ``source``; the same bytes for the same words."""
    binary: bytes = polib.pofile(str(source)).to_binary()
    return binary


def marked() -> set[tuple[str | None, str]]:
    """What the public templates and the code mark for translation: each word or sentence with its context."""
    templates = [path for path in ROOT.glob("templates/**/*.*") if ROOT / "templates" / "admin" not in path.parents]
    sources = [templatize(path.read_text(), origin=str(path)) for path in templates if path.suffix in (".html", ".txt")]
    code = [path.read_text() for app in APPS for path in (ROOT / app).rglob("*.py")]
    # What templatize leaves is Python's but for its indentation.
    sources = ["\n".join(line.strip() for line in source.splitlines()) for source in sources]
    return {
        words for source in (*sources, *code) if "gettext" in source or "_(" in source for words in _marked_in(source)
    }


def _marked_in(source: str) -> Iterator[tuple[str | None, str]]:
    for _, words, _, context in extract("python", io.BytesIO(source.encode()), keywords=_MARKS):
        yield context, words if isinstance(words, str) else words[0]


if __name__ == "__main__":
    for source in sources():
        source.with_suffix(".mo").write_bytes(compiled(source))
