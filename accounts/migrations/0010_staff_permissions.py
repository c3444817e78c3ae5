"""Suspending a workspace takes a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_scope_labels"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="workspace",
            options={
                "permissions": [
                    ("look_into_workspace", "Can look into a workspace, read only"),
                    ("suspend_workspace", "Can suspend workspaces and lift the suspension"),
                ]
            },
        ),
    ]
