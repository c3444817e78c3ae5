from django.urls import path

from generation.pages import provider_keys as views

app_name = "provider_keys"

urlpatterns = [
    path("workspace/provider-keys/", views.listing, name="listing"),
    path("workspace/provider-keys/new/", views.add, name="add"),
    path("workspace/provider-keys/<uuid:provider_key_id>/test/", views.test, name="test"),
    path("workspace/provider-keys/<uuid:provider_key_id>/remove/", views.remove, name="remove"),
]
