from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "generation.notices"
    label = "notices"
    verbose_name = "Reports"
    default_auto_field = "django.db.models.BigAutoField"
