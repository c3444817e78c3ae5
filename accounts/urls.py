from django.urls import path

from accounts.views import account, claims

app_name = "accounts"

urlpatterns = [
    path("account/", account.overview, name="overview"),
    path("claim/<str:token>/", claims.claim, name="claim"),
    path("mail/", account.mail, name="mail"),
]
