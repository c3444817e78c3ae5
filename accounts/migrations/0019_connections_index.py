"""Finds the connections of an app."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("accounts", "0018_connections")]

    operations = [
        AddIndexConcurrently(
            "apikey",
            models.Index(
                fields=["oauth_client"],
                name="key_of_oauth_client",
                condition=models.Q(("oauth_client__isnull", False)),
            ),
        ),
    ]
