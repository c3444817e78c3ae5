from django.contrib.admin.apps import AdminConfig


class StaffConfig(AdminConfig):
    """Django's admin with a site of our own. Apart from the site, which cannot be imported while apps are loaded."""

    default_site = "loremotion.staff_site.StaffSite"
