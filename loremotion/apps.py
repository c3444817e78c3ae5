from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class StaffConfig(SimpleAdminConfig):
    """Django's admin with a site of our own. Apart from the site, which cannot be imported while apps are loaded.

    What stands in the admin is imported with the pages (``loremotion.urls``), and so by the web alone: it took a third
    of the seconds in which the beat and each worker of a queue start.
    """

    default_site = "loremotion.staff_site.StaffSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_what_stands_in_it, checks.Tags.admin)


def _check_what_stands_in_it(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Look at the classes of the admin, also in a process that shows no page."""
    autodiscover()
    return check_admin_app(app_configs, **kwargs)
