"""When each model could be used, for the status page. Rows carry no workspace, and everybody may read them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0059_cards")]

    operations = [
        migrations.CreateModel(
            name="ServiceSpan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model", models.CharField(max_length=60)),
                ("is_up", models.BooleanField()),
                ("began_at", models.DateTimeField()),
                ("until_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("model", "began_at"), name="service_span_once")],
                "indexes": [models.Index(fields=["until_at"], name="service_span_until")],
            },
        ),
    ]
