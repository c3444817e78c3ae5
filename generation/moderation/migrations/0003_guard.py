"""A guard model has a row, and plans a strictness. The release before knows neither."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.state import StateApps

import generation.moderation.guard_labels


def make_the_row(apps: StateApps, _: object) -> None:
    apps.get_model("moderation", "Guard").objects.get_or_create(id=1)


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0002_by_time"),
        ("shop", "0016_request_id"),
    ]

    operations = [
        migrations.CreateModel(
            name="PlanPolicy",
            fields=[
                (
                    "plan",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="shop.plan",
                    ),
                ),
                (
                    "strictness",
                    models.CharField(choices=[("standard", "Standard"), ("relaxed", "Relaxed")], max_length=8),
                ),
            ],
            options={
                "verbose_name": "policy of a plan",
                "verbose_name_plural": "policies of plans",
            },
        ),
        migrations.AlterField(
            model_name="refusalcount",
            name="category",
            field=models.CharField(
                choices=[
                    ("sexual_minors", "Sexual minors"),
                    ("sexual_real_person", "Sexual real person"),
                    ("sexual", "Sexual"),
                    ("violence", "Violence"),
                    ("hate", "Hate"),
                    ("self_harm", "Self harm"),
                    ("weapons", "Weapons"),
                    ("unjudged", "Unjudged"),
                ],
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="review",
            name="category",
            field=models.CharField(
                choices=[
                    ("sexual_minors", "Sexual minors"),
                    ("sexual_real_person", "Sexual real person"),
                    ("sexual", "Sexual"),
                    ("violence", "Violence"),
                    ("hate", "Hate"),
                    ("self_harm", "Self harm"),
                    ("weapons", "Weapons"),
                    ("unjudged", "Unjudged"),
                ],
                max_length=24,
            ),
        ),
        migrations.CreateModel(
            name="Guard",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_enabled", models.BooleanField(default=True)),
                (
                    "model",
                    models.CharField(
                        blank=True,
                        help_text="Sent along, for a service that has several. May be empty.",
                        max_length=100,
                    ),
                ),
                (
                    "timeout_ms",
                    models.PositiveSmallIntegerField(
                        default=100,
                        validators=[
                            django.core.validators.MinValueValidator(10),
                            django.core.validators.MaxValueValidator(130),
                        ],
                        verbose_name="time limit, ms",
                    ),
                ),
                (
                    "on_failure",
                    models.CharField(
                        choices=[
                            ("open", "Open: the rules alone decide"),
                            ("held", "Held: staff looks at the prompt before it is made"),
                            ("closed", "Closed: nothing is taken until it answers"),
                        ],
                        default="open",
                        max_length=6,
                        verbose_name="without an answer",
                    ),
                ),
                (
                    "labels",
                    models.JSONField(
                        default=generation.moderation.guard_labels.usual,
                        help_text="Label → its category, and from which score on a prompt is held or refused. Others are ignored.",
                        validators=[generation.moderation.guard_labels.validate],
                    ),
                ),
            ],
            options={
                "verbose_name": "guard model",
                "verbose_name_plural": "guard model",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_guard")],
            },
        ),
        migrations.RunPython(make_the_row, migrations.RunPython.noop),
    ]
