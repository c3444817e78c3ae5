"""The settings of the view that POST /v1/videos is compared with: the site's database and pool, and no middleware."""

from loremotion.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
AUTH_USER_MODEL = "auth.User"
MIDDLEWARE = []
ROOT_URLCONF = "benchmarks.bare_view"
ROW_LEVEL_SECURITY = False
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
