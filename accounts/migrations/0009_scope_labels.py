"""The labels of scopes say it in the pages' words."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_invitations_write_mail"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("read", "View clips and their status"),
                        ("generate", "Make, cancel and view clips"),
                        ("billing-read", "View credits and payments"),
                        (
                            "admin",
                            "Manage members, keys and webhooks, rename the workspace, read the audit log, export",
                        ),
                    ],
                    max_length=20,
                ),
                size=None,
            ),
        ),
    ]
