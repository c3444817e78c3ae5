from django.db import migrations, models


class Migration(migrations.Migration):
    """The column keeps its name, so the release before goes on beside this one, and nothing is locked."""

    dependencies = [("generation", "0039_network_finish_index")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint(model_name="forecastfactor", name="forecast_factor_is_one_row"),
                migrations.RemoveConstraint(model_name="forecasthour", name="forecast_hour_is_one_row"),
                migrations.RenameField(model_name="forecastfactor", old_name="plan", new_name="tier"),
                migrations.RenameField(model_name="forecasthour", old_name="plan", new_name="tier"),
                migrations.RenameField(model_name="toldrange", old_name="plan", new_name="tier"),
                migrations.AlterField(
                    model_name="forecastfactor",
                    name="tier",
                    field=models.CharField(blank=True, db_column="plan", max_length=20),
                ),
                migrations.AlterField(
                    model_name="forecasthour",
                    name="tier",
                    field=models.CharField(db_column="plan", max_length=20),
                ),
                migrations.AlterField(
                    model_name="toldrange",
                    name="tier",
                    field=models.CharField(db_column="plan", max_length=20),
                ),
                migrations.AddConstraint(
                    model_name="forecastfactor",
                    constraint=models.UniqueConstraint(fields=("horizon", "tier"), name="forecast_factor_is_one_row"),
                ),
                migrations.AddConstraint(
                    model_name="forecasthour",
                    constraint=models.UniqueConstraint(
                        fields=("hour", "model", "tier"), name="forecast_hour_is_one_row"
                    ),
                ),
            ]
        )
    ]
