from django.apps import AppConfig


class SharingConfig(AppConfig):
    name = "generation.sharing"
    label = "sharing"
    verbose_name = "Shared clips"
    default_auto_field = "django.db.models.BigAutoField"
