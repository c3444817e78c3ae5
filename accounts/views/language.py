"""The switch of languages in the foot of every page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts import language


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Speak ``language`` from now on, and go back to the page with the switch, as the browser names it."""
    back = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    language.switch(request, response, request.POST.get("language", ""))
    return response
