from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "loremotion.outbox"
    label = "outbox"
    verbose_name = "Mail"
    default_auto_field = "django.db.models.BigAutoField"
