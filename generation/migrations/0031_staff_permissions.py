"""What each GPU worker was at, minute by minute, and permissions for what staff does to clips and to the fleet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0030_favourites_index"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="generation",
            options={
                "permissions": [
                    ("cancel_generation", "Can cancel clips"),
                    ("retry_generation", "Can have failed clips made again"),
                ]
            },
        ),
        migrations.CreateModel(
            name="FleetSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("worker", models.CharField(max_length=120)),
                ("activity", models.CharField(max_length=10)),
                ("used_bytes", models.BigIntegerField()),
                ("budget_bytes", models.BigIntegerField()),
            ],
            options={
                "permissions": [
                    ("view_fleet", "Can see GPU workers and the queue"),
                    ("operate_fleet", "Can drain, resume, load, evict and stop GPU workers"),
                    ("view_system", "Can see processes, queues and what could not be sent"),
                ],
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("at", "worker"), name="fleet_sample_once")],
            },
        ),
    ]
