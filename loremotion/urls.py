"""Every address of the site, by app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/queues/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
]
