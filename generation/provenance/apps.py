from django.apps import AppConfig
from django.core.checks import Tags, register


class ProvenanceConfig(AppConfig):
    name = "generation.provenance"
    label = "provenance"
    verbose_name = "Content Credentials"

    def ready(self) -> None:
        from generation.provenance import checks

        register(checks.check_certificate, Tags.security)
