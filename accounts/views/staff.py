"""Where staff's look into a workspace ends. It begins in the admin."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts import impersonation, tenancy


@require_POST
@login_required
def stop_looking(request: HttpRequest) -> HttpResponse:
    """Back to the page that the look began at."""
    left = impersonation.end(request)
    tenancy.forget(request)
    if left and request.user.has_perm("accounts.view_workspace"):
        return redirect("admin:customer", left)
    return redirect("admin:index" if request.user.is_staff else "generation:home")
