"""How processes and queues stood, minute by minute, so that the admin can show the last day."""

from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [("generation", "0054_forecast_memory")]

    operations = [
        migrations.CreateModel(
            name="SystemSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(unique=True)),
                ("waiting", models.JSONField()),
                ("silence", models.JSONField()),
                ("overdue", models.JSONField()),
            ],
            options={"default_permissions": ()},
        ),
        policies.rows_of_nobody("generation_systemsample"),
    ]
