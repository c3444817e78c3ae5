"""What scripts say (``static/*.js``), for pages in any language but English, in which they say it by themselves."""

from __future__ import annotations

from typing import Final

from django import template
from django.conf import settings
from django.utils import translation
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop

register = template.Library()

WORDS: Final = (
    gettext_noop("A clip didn't work out"),
    gettext_noop("All scenes are done."),
    gettext_noop("Copied"),
    gettext_noop("Could not copy"),
    gettext_noop("Dismiss"),
    gettext_noop("Ended"),
    gettext_noop("Pause all"),
    gettext_noop("Play all"),
    gettext_noop("Progress"),
    gettext_noop("Ready"),
    gettext_noop("Remove {name}"),
    gettext_noop("Step {step} of {steps}"),
    gettext_noop("The computation failed. Reload the page to try again."),
    gettext_noop("The demo model will ignore: {words}"),
    gettext_noop("This may be too long: up to {most} characters are sure to be read, and this may count as {tokens}."),
    gettext_noop("These pictures make {clips} clips. Up to {most} are made at once."),
    gettext_noop("Together these files are {size}. The limit is {most}."),
    gettext_noop("View"),
    gettext_noop("Your browser has done its computation."),
    gettext_noop("Your clip is ready"),
    gettext_noop("Your clip is ready."),
    gettext_noop("about {time} left"),
    gettext_noop("you have {credits}"),
    gettext_noop("{amount} credit"),
    gettext_noop("{amount} credits"),
    gettext_noop("{amount} left after this"),
    gettext_noop("{count} selected"),
    gettext_noop("{count} clip in progress"),
    gettext_noop("{count} clips in progress"),
    gettext_noop("{credits} more to finish it"),
    gettext_noop("{credits} more to finish one"),
    gettext_noop("{length} of {most} characters"),
    gettext_noop("{name} is {size}. Use a file of at most {most}."),
    gettext_noop("{seconds} s of video"),
    gettext_noop("{size} MB"),
    gettext_noop("{size} kB"),
    gettext_noop("{tokens} of {limit} tokens"),
    gettext_noop("{tokens} of {limit} tokens. This part would be ignored: {unread}"),
)


@register.simple_tag
def script_words() -> SafeString | str:
    """The words in the reader's language, where ``words.js`` finds them; nothing in English."""
    if translation.get_language() == settings.LANGUAGE_CODE:
        return ""
    said = {english: gettext(english) for english in WORDS}
    return json_script({english: words for english, words in said.items() if words != english}, "words")
