"""Requests for mail about a clip come from the app ``outbox``, with their table as it is."""

from typing import ClassVar

from django.conf import settings
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion import content_types


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("generation", "0010_derived_columns"),
        ("outbox", "0006_mail_alone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        *content_types.DEPENDENCIES,
    ]
    operations: ClassVar[list[Operation]] = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="NotificationRequest",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "generation",
                            models.ForeignKey("generation.generation", models.CASCADE, related_name="+"),
                        ),
                        ("user", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")),
                    ],
                    options={
                        "db_table": "outbox_wish",
                        "constraints": [models.UniqueConstraint(fields=("generation", "user"), name="wish_once")],
                    },
                ),
            ],
        ),
        content_types.rename_content_type(("outbox", "wish"), ("generation", "notificationrequest")),
    ]
