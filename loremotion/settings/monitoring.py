"""The log, the figures for Prometheus, and where errors are reported."""

from __future__ import annotations

from environs import validate

from loremotion import alerts
from loremotion.settings.site import env

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"ids": {"()": "gpu_worker.log_context.ContextFilter"}},
    "formatters": {
        "line": {
            "()": "gpu_worker.log_context.LineFormatter",
            "format": "{asctime} {levelname:7} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "gpu_worker.log_context.JsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["ids"],
            "formatter": env.str("LOG_FORMAT", "line", validate=validate.OneOf(["line", "json"])),
        },
        "operator": {"class": "loremotion.alerts.AdminMailHandler"},
    },
    # Django's own handler would mail whole requests to ADMINS, and keep whoever sent them waiting.
    # The protocol's own lines say of each request that it begins and ends.
    "loggers": {"django": {"handlers": []}, "mcp": {"level": "WARNING"}},
    "root": {"handlers": ["console", "operator"], "level": env.str("LOG_LEVEL", "INFO")},
}

# The tag or commit that this was built from, as staff reads it beside the other versions.
RELEASE = env.str("RELEASE", "", validate=validate.Length(max=100))

# Whoever sends it as a bearer token is told the site's figures at /metrics; without one there is no such address.
METRICS_TOKEN = env.str("METRICS_TOKEN", "", validate=validate.Regexp(r"^(\S{20,})?$", error="must be 20 characters"))
# Where errors are reported to besides the log; requirements/sentry.txt has the package.
SENTRY_DSN = env.str("SENTRY_DSN", "", validate=validate.Regexp(r"^(https?://\S+@\S+/\d+)?$", error="must be a DSN"))
if SENTRY_DSN:
    alerts.start_sentry(SENTRY_DSN)
# Where OpenTelemetry is sent a trace of each clip, as its own programs read the address: http://collector:4318, with
# OTEL_EXPORTER_OTLP_HEADERS and the other variables of its SDK beside it. requirements/tracing.txt has the packages.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str(
    "OTEL_EXPORTER_OTLP_ENDPOINT", "", validate=validate.Regexp(r"^(https?://\S+)?$", error="must be an address")
)
