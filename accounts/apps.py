from typing import Final

from django.apps import AppConfig
from django.apps import apps as installed

IN_OUR_WORDS: Final = {
    "auth.Group": ("role", "roles"),
    "mfa.Authenticator": ("second factor", "second factors"),
    "allauth_idp_oidc.Client": ("connected app", "connected apps"),
    "allauth_idp_oidc.Token": ("token of an app", "tokens of apps"),
    "socialaccount.SocialApp": ("sign-in provider", "sign-in providers"),
    "socialaccount.SocialAccount": ("account at a provider", "accounts at providers"),
    "socialaccount.SocialToken": ("token of a provider", "tokens of providers"),
    "usersessions.UserSession": ("signed-in device", "signed-in devices"),
}
"""Model of a library → what one and what several of its rows are called in the admin."""


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """No migration comes of it: those read what a model was declared with."""
        for label, words in IN_OUR_WORDS.items():
            meta = installed.get_model(label)._meta
            meta.verbose_name, meta.verbose_name_plural = words
