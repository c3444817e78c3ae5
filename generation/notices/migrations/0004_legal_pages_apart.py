"""Terms and privacy are ``generation.legal``'s from here on; their table stays. Categories have the
names that the law and other sites give them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notices", "0003_by_urgency")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("LegalPage")]),
        migrations.AlterField(
            "notice",
            "category",
            models.CharField(
                max_length=10,
                choices=[
                    ("minors", "Sexual abuse or exploitation of children"),
                    ("intimate", "Intimate image shared without consent, real or generated"),
                    ("person", "Impersonation, or a real person shown without consent"),
                    ("hate", "Hate speech or threats"),
                    ("violence", "Graphic violence"),
                    ("copyright", "Copyright or trademark infringement"),
                    ("deception", "Scam, fraud or deception"),
                    ("other", "Other illegal content"),
                ],
            ),
        ),
    ]
