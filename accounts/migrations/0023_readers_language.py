"""What somebody reads in goes along to wherever they sign in, and into their mail."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0022_audit_log_by_kind")]

    operations = [
        migrations.AddField("user", "language", models.CharField(max_length=10, blank=True, default="", db_default="")),
    ]
