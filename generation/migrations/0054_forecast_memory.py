"""What forecasts have learned of who comes, which machines are lost and what models load."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0053_invisible_id")]

    operations = [
        migrations.CreateModel(
            name="ForecastMemory",
            fields=[
                ("subject", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("learned", models.JSONField()),
                ("at", models.DateTimeField()),
            ],
        )
    ]
