from django.urls import path

from generation.pages import legal

app_name = "legal"

urlpatterns = [
    path("transparency/", legal.transparency_report, name="transparency"),
    path("licences/", legal.licences, name="licences"),
    path("terms/", legal.terms, name="terms"),
    path("privacy/", legal.privacy, name="privacy"),
]
