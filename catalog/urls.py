from __future__ import annotations

from django.urls import path

from catalog import views

app_name = "catalog"

urlpatterns = [
    # The API: no trailing slashes, as its clients expect.
    path("v1/models", views.api_models, name="api-models"),
    path("v1/models/<str:name>", views.api_model, name="api-model"),
]
