"""The language that somebody reads in: of their pages wherever they sign in, and of the mail that they get."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from accounts.models import User
from loremotion import languages


def welcome(request: HttpRequest, user: User, response: HttpResponse) -> None:
    """Have this browser speak the language of whoever has signed in: what they chose here before they did, which is
    theirs from now on, or else what they chose elsewhere.

    Where somebody never chose one, the browser's own languages decide, and nothing that another person left in it. For
    their mail the first is noted.
    """
    if chosen := languages.choice_before_sign_in(request):
        choose(user, chosen)
        languages.remember(response, chosen)
    elif user.is_language_chosen:
        languages.remember(response, user.language)
    else:
        languages.forget(response)
        if not user.language:
            user.language = languages.of_browser(request)
            user.save(update_fields=["language"])


def choose(user: User, language: str) -> None:
    """Note that ``user`` has said to read in this language, which the site speaks."""
    if (user.language, user.is_language_chosen) != (language, True):
        user.language, user.is_language_chosen = language, True
        user.save(update_fields=["language", "is_language_chosen"])


def switch(request: HttpRequest, response: HttpResponse, language: str) -> None:
    """Speak another language in this browser, and to whoever is signed in here. One that the site doesn't speak changes
    nothing."""
    if not languages.is_spoken(language):
        return
    if isinstance(request.user, User):
        choose(request.user, language)
        languages.remember(response, language)
    else:
        languages.remember_choice(response, language)
