from django.urls import path

from generation.api import webhooks as api
from generation.pages import webhooks as views

app_name = "webhooks"

urlpatterns = [
    path("workspace/webhooks/", views.listing, name="endpoints"),
    path("workspace/webhooks/new/", views.create, name="create-endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/", views.detail, name="endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/change/", views.change, name="change-endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/rotate/", views.rotate, name="rotate-endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/switch/", views.switch, name="switch-endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/test/", views.test, name="test-endpoint"),
    path("workspace/webhooks/<uuid:endpoint_id>/delete/", views.delete, name="delete-endpoint"),
    path("workspace/webhooks/deliveries/<int:delivery_id>/again/", views.redeliver, name="redeliver"),
    # The API: OpenAI's addresses, and ours for what was delivered.
    path("v1/webhook_event_types", api.EventTypes.as_view(), name="api-event-types"),
    path("v1/webhook_endpoints", api.Endpoints.as_view(), name="api-endpoints"),
    path("v1/webhook_endpoints/<uuid:endpoint_id>", api.OneEndpoint.as_view(), name="api-endpoint"),
    path("v1/webhook_endpoints/<uuid:endpoint_id>/rotate_secret", api.RotateSecret.as_view(), name="api-rotate"),
    path("v1/webhook_endpoints/<uuid:endpoint_id>/test", api.Test.as_view(), name="api-test"),
    path("v1/webhook_endpoints/<uuid:endpoint_id>/deliveries", api.Deliveries.as_view(), name="api-deliveries"),
    path("v1/webhook_deliveries/<int:delivery_id>/redeliver", api.Redeliver.as_view(), name="api-redeliver"),
]
