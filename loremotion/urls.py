"""Every address of the site, by app."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from loremotion import well_known

handler400 = "loremotion.errors.bad_request"
handler403 = "loremotion.staff_refusals.permission_denied"
handler404 = "loremotion.staff_refusals.not_found"
handler429 = "loremotion.errors.too_many"  # allauth's, for what is tried too often
handler500 = "loremotion.errors.server_error"

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # staff sign in as everybody does

urlpatterns = [
    path("", include("generation.urls")),  # first, for what is asked most; no two of these share an address
    path("", include("accounts.urls")),
    path("", include("accounts.oauth.urls")),
    path("account/", include("allauth.urls")),
    path("", include("generation.webhook_urls")),
    path("", include("generation.provider_key_urls")),
    path("", include("generation.moderation_urls")),
    path("", include("generation.notice_urls")),
    path("", include("generation.legal_urls")),
    path("", include("catalog.urls")),
    path("", include("billing.shop.urls")),
    path("robots.txt", well_known.robots, name="robots"),
    path(".well-known/security.txt", well_known.security, name="security"),
    path("admin/", admin.site.urls),
]
