"""What was observed of service times, what was told, and what came of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0018_flow"),
    ]

    operations = [
        migrations.CreateModel(
            name="ServiceRate",
            fields=[
                ("key", models.CharField(max_length=240, primary_key=True, serialize=False)),
                ("weight", models.FloatField()),
                ("mean", models.FloatField()),
                ("squares", models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name="ForecastFactor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("horizon", models.PositiveSmallIntegerField()),
                ("plan", models.CharField(blank=True, max_length=20)),
                ("low", models.FloatField(default=1.0)),
                ("high", models.FloatField(default=1.0)),
                ("clips", models.FloatField(default=0.0)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("horizon", "plan"), name="forecast_factor_is_one_row")],
            },
        ),
        migrations.CreateModel(
            name="ForecastHour",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField()),
                ("model", models.CharField(max_length=60)),
                ("plan", models.CharField(max_length=20)),
                ("told", models.PositiveIntegerField(default=0)),
                ("before", models.PositiveIntegerField(default=0)),
                ("inside", models.PositiveIntegerField(default=0)),
                ("waits", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "model", "plan"), name="forecast_hour_is_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="ToldRange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("clip_id", models.UUIDField()),
                ("horizon", models.PositiveSmallIntegerField()),
                ("plan", models.CharField(max_length=20)),
                ("model", models.CharField(max_length=60)),
                ("said_at", models.DateTimeField(db_index=True)),
                ("played_low", models.FloatField()),
                ("mid", models.FloatField()),
                ("played_high", models.FloatField()),
                ("low", models.FloatField()),
                ("high", models.FloatField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("clip_id", "horizon"), name="told_once_for_each_horizon")
                ],
            },
        ),
    ]
