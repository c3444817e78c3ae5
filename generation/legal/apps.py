from django.apps import AppConfig


class LegalConfig(AppConfig):
    name = "generation.legal"
    label = "legal"
    verbose_name = "Legal pages"
    default_auto_field = "django.db.models.BigAutoField"
