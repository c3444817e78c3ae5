from django.apps import AppConfig


class StoryboardsConfig(AppConfig):
    name = "generation.storyboards"
    label = "storyboards"
    verbose_name = "Storyboards"
    default_auto_field = "django.db.models.BigAutoField"
