from django.urls import path

from generation.pages import notices

app_name = "notices"

urlpatterns = [
    path("report/", notices.report, name="report"),
    path("reports/", notices.listing, name="listing"),
    path("reports/<uuid:notice_id>/object/", notices.object_to, name="object"),
]
