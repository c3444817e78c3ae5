"""Staff finds people by the domain of their address, however many there are."""

from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Func
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0015_daily_caps")]

    operations = [
        migrations.AlterModelOptions(
            "auditentry", options={"verbose_name": "audit entry", "verbose_name_plural": "audit entries"}
        ),
        AddIndexConcurrently(
            "user",
            models.Index(
                OpClass(
                    Upper(
                        Func(
                            F("email"),
                            template="split_part(%(expressions)s, '@', 2)",
                            output_field=models.TextField(),
                        )
                    ),
                    "text_pattern_ops",
                ),
                name="user_by_email_domain",
            ),
        ),
    ]
