"""Sending a mail again takes a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("outbox", "0007_mail_about_signing_in"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="mailmessage",
            options={"permissions": [("retry_mailmessage", "Can have mail sent that could not be")]},
        ),
    ]
