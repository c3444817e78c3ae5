"""Every address of the site, by app."""

from django.contrib import admin
from django.urls import include, path

from loremotion import health

handler404 = "loremotion.errors.not_found"
handler500 = "loremotion.errors.broken"

urlpatterns = [
    path("", include("generation.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("admin/queues/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
]
