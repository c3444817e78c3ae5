"""The addresses of ``allauth.idp`` that this site has, under the names by which allauth finds them. It has no others:
no ID tokens, no device codes (``accounts.device_login``), no introspection."""

from django.urls import include, path

from accounts.oauth import views

app_name = "idp"

_oidc = [
    path(".well-known/oauth-authorization-server", views.Metadata.as_view(), name="metadata"),
    path("oauth/authorize/", views.Authorization.as_view(), name="authorization"),
    path("oauth/register", views.Registration.as_view(), name="client_registration"),
    path("oauth/token", views.Token.as_view(), name="token"),
    path("oauth/revoke", views.Revocation.as_view(), name="revoke"),
]
urlpatterns = [path("", include((_oidc, "oidc")))]
