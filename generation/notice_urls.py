from django.urls import path

from generation.pages import legal, notices

app_name = "notices"

urlpatterns = [
    path("report/", notices.report, name="report"),
    path("reports/", notices.listing, name="listing"),
    path("reports/<uuid:notice_id>/object/", notices.object_to, name="object"),
    path("transparency/", legal.transparency_report, name="transparency"),
    path("licences/", legal.licences, name="licences"),
    path("terms/", legal.terms, name="terms"),
    path("privacy/", legal.privacy, name="privacy"),
]
