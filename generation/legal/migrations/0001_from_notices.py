"""The words of terms and privacy come from the app ``notices``, with their table as it is."""

from django.db import migrations, models

from loremotion import content_types


class Migration(migrations.Migration):
    initial = True
    dependencies = [("notices", "0004_legal_pages_apart"), *content_types.DEPENDENCIES]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="LegalPage",
                    fields=[
                        (
                            "slug",
                            models.CharField(
                                choices=[("terms", "Terms"), ("privacy", "Privacy")],
                                max_length=10,
                                primary_key=True,
                                serialize=False,
                                verbose_name="page",
                            ),
                        ),
                        (
                            "text",
                            models.TextField(
                                help_text="An empty line begins a paragraph; a line that begins with # is a heading."
                            ),
                        ),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={"db_table": "notices_legalpage"},
                )
            ]
        ),
        content_types.rename_content_type(("notices", "legalpage"), ("legal", "legalpage")),
    ]
