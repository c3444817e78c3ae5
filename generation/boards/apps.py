from django.apps import AppConfig


class BoardsConfig(AppConfig):
    name = "generation.boards"
    label = "boards"
    verbose_name = "Boards"
    default_auto_field = "django.db.models.BigAutoField"
