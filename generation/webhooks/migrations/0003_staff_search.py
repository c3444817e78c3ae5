"""Staff finds endpoints and what was sent to them without reading a whole table."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("webhooks", "0002_staff_permissions")]

    operations = [
        AddIndexConcurrently("endpoint", models.Index(fields=["-created_at", "-id"], name="endpoint_newest")),
        AddIndexConcurrently(
            "endpoint",
            models.Index(
                fields=["-created_at", "-id"],
                name="endpoint_failing",
                condition=Q(failing_since__isnull=False, disabled_at__isnull=True),
            ),
        ),
        AddIndexConcurrently("endpoint", models.Index(fields=["url"], name="endpoint_by_url")),
        AddIndexConcurrently("delivery", models.Index(fields=["video_id"], name="delivery_of_clip")),
        AddIndexConcurrently("delivery", models.Index(fields=["event_id"], name="delivery_by_event")),
        AddIndexConcurrently("delivery", models.Index(fields=["-id"], name="delivery_dead", condition=Q(state="dead"))),
    ]
