"""PostgreSQL, Valkey, the queues in it, and where files lie."""

from __future__ import annotations

from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import validate

from gpu_worker.valkey import checked_address
from loremotion import storage_url
from loremotion.settings.site import BASE_DIR, DEBUG, IS_HTTPS, env

DATABASE_URL = env.str("DATABASE_URL", validate=validate.Regexp(r"^postgres(ql)?://", error="must be postgres://…"))
# Requests run as a role that PostgreSQL shows the rows of their own workspace alone: see loremotion.row_security.
ROW_LEVEL_SECURITY = env.bool("ROW_LEVEL_SECURITY", True)
_database = dj_database_url.parse(
    DATABASE_URL, engine="loremotion.row_security", conn_max_age=0, conn_health_checks=True
)
# A request has a connection only while it asks the database (loremotion.database): so a handful serves any number of
# people who are slow.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 10, validate=validate.Range(min=2))
_pool = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
# A server whose host went dark does not even hang up, and TCP by itself would wait for it for a quarter of an hour.
_lost = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# What PostgreSQL ends by itself in the site, its workers and its beat: see loremotion.database.bound_process.
_limit = validate.Range(min=0, max=86_400)
DATABASE_STATEMENT_SECONDS = env.float("DATABASE_STATEMENT_SECONDS", 30.0, validate=_limit)
DATABASE_LOCK_SECONDS = env.float("DATABASE_LOCK_SECONDS", 10.0, validate=_limit)
DATABASE_IDLE_TRANSACTION_SECONDS = env.float("DATABASE_IDLE_TRANSACTION_SECONDS", 60.0, validate=_limit)
if 0 < DATABASE_STATEMENT_SECONDS <= DATABASE_LOCK_SECONDS:
    raise ImproperlyConfigured("DATABASE_LOCK_SECONDS must be shorter than DATABASE_STATEMENT_SECONDS, which ends it.")
DATABASES = {
    "default": _database
    | {
        "ATOMIC_REQUESTS": False,
        # A pool rather than persistent connections: under ASGI each request may run on another thread.
        "OPTIONS": {
            "prepare_threshold": 1,
            **_lost,
            **_database.get("OPTIONS", {}),
            "pool": _pool,
        },  # loremotion.prepared
    }
}
REDIS_URL = env.str("REDIS_URL")
try:
    checked_address(REDIS_URL)
except ValueError as problem:
    raise ImproperlyConfigured(f"REDIS_URL: {problem}.") from None
MEDIA_DIR = Path(env.str("MEDIA_DIR", str(BASE_DIR / "var" / "media"))).resolve()
# Where clips, posters and inputs lie: a folder, MEDIA_DIR unless it names another, or a bucket: loremotion.storage_url.
STORAGE_URL = env.str("STORAGE_URL", "folder:var/media")
if STORAGE_URL in ("", "folder:var/media"):
    STORAGE_URL = f"folder:{MEDIA_DIR}"
# A CDN in front of the bucket, which browsers ask in its place.
MEDIA_URL = env.str("MEDIA_URL", "").rstrip("/")
try:
    STORE = storage_url.read(STORAGE_URL, media_url=MEDIA_URL, base=BASE_DIR)
except ValueError as problem:
    raise ImproperlyConfigured(f"STORAGE_URL: {problem}.") from None
if isinstance(STORE, storage_url.Folder):
    MEDIA_DIR = STORE.path
STORE_ORIGINS = [STORE.origin] if isinstance(STORE, storage_url.Bucket) else []
if IS_HTTPS and any(origin.startswith("http:") for origin in STORE_ORIGINS):
    raise ImproperlyConfigured("STORAGE_URL: pages over https load nothing over http. Use https there too.")
# How finished clips reach a folder: GPU hosts share it, or PUT over HTTP to SITE_URL. Into a bucket they put them
# themselves, by addresses that SITE_URL hands out.
CLIP_UPLOAD = env.str("CLIP_UPLOAD", "folder", validate=validate.OneOf(["folder", "http"]))

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": [REDIS_URL],  # of text Django would make several servers at each comma
        "KEY_PREFIX": "cache",
        "OPTIONS": {"serializer": "loremotion.valkey.JsonSerializer", "pool_class": "loremotion.valkey.CachePool"},
    }
}
# The RQ queues that the site works off, each with the table of what its jobs may call: see rq_seams.allowed_jobs.
QUEUE_JOBS = {
    "reports": "generation.reports.JOBS",
    "signing": "generation.settlement.signing_queue.JOBS",
    "stripe": "billing.shop.jobs.JOBS",
    "webhooks": "generation.webhooks.jobs.JOBS",
    "mail": "loremotion.outbox.jobs.JOBS",
}
# Queues that had another name in the last release: whoever works off the new one takes over what stands in the old one.
FORMER_QUEUES = {"webhooks": "deliveries"}
# django-rq reads these two. It is no installed app: its pages show people's prompts and unpickle what Valkey holds.
RQ_QUEUES = {
    name: {"URL": REDIS_URL, "SERIALIZER": "rq.serializers.JSONSerializer", "DEFAULT_TIMEOUT": 120}
    for name in (*QUEUE_JOBS, *FORMER_QUEUES.values(), "render", "remote")
}
RQ = {"JOB_CLASS": "gpu_worker.rq_seams.allowed_jobs.AllowedJob", "COMMIT_MODE": "auto"}

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": STORE.backend(),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
