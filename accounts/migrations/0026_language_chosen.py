"""A language that somebody chose goes along to wherever they sign in; one that was noted for their mail does not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0025_newest_workspaces")]

    operations = [
        migrations.AddField("user", "is_language_chosen", models.BooleanField(default=False, db_default=False)),
    ]
