"""What readers of files find wrong with one, in the reader's language: they themselves know none but English.

Some run in a sandbox, without Django, and some on GPU hosts.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

from loremotion.stored_words import StoredWords

FAULTS: Final = StoredWords(
    gettext_noop("The %(file)s is damaged or cut off."),
    gettext_noop("The %(file)s is in HDR (%(curve)s), which is not read in a PNG."),
    gettext_noop("The %(file)s has colours of a kind that is not read here (%(kind)s)."),
    gettext_noop("The %(file)s is an animation without a picture of its own, which is not read here."),
    gettext_noop("The %(file)s is coded as %(code)s, which is not read here."),
    gettext_noop("The %(file)s is %(size)s pixels."),
    gettext_noop("Use one with at most %(most)s megapixels."),
    gettext_noop("Use one with at most %(most)s megapixels, or save it without 'progressive'."),
    gettext_noop("Use one with at most %(most)s megapixels, or as a JPEG."),
    gettext_noop("Use one with sides of at least %(least)s pixels."),
    gettext_noop("Its Content Credentials can't go along on this site."),
    gettext_noop("Its Content Credentials can't be read from a file of this format."),
    gettext_noop("Its Content Credentials can't be read."),
    gettext_noop("Its Content Credentials have %(size)s MB, and at most %(most)s MB can go along."),
)
