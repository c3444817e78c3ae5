"""Plans, packs and prices to begin with. Rows from then on: staff changes them, and nothing puts them back."""

from typing import Any

from django.db import migrations

PLANS: list[dict[str, Any]] = [
    {
        "slug": "free",
        "name": "Free",
        "summary": "A few clips every day, for nothing.",
        "concurrency": 1,
        "priority_weight": 1,
        "retention_days": 14,
        "has_watermark": True,
        "members": 1,
        "features": ["Free credits every day", "Open models", "A receipt for every credit"],
    },
    {
        "slug": "creator",
        "name": "Creator",
        "summary": "For one person who makes clips every week.",
        "monthly_credits": 1_500,
        "rollover_credits": 500,
        "concurrency": 3,
        "priority_weight": 3,
        "retention_days": 90,
        "members": 1,
        "features": ["No watermark", "API keys"],
    },
    {
        "slug": "studio",
        "name": "Studio",
        "summary": "For a small team that shares clips and credits.",
        "monthly_credits": 5_500,
        "rollover_credits": 2_000,
        "concurrency": 6,
        "priority_weight": 6,
        "retention_days": 365,
        "members": 5,
        "features": ["No watermark", "API keys", "Members with roles and caps"],
    },
    {
        "slug": "house",
        "name": "House",
        "summary": "For companies that make video all day.",
        "monthly_credits": 16_000,
        "rollover_credits": 6_000,
        "concurrency": 12,
        "priority_weight": 10,
        "retention_days": 730,
        "members": 25,
        "features": ["No watermark", "API keys", "Members with roles and caps"],
    },
]
MONTHLY_MINOR: dict[str, int] = {"creator": 1_200, "studio": 3_900, "house": 9_900}
PACKS = [("pack-500", "500 credits", 500, 500), ("pack-2200", "2,200 credits", 2_200, 2_000)]
PACKS += [("pack-6000", "6,000 credits", 6_000, 5_000)]
CURRENCIES = ("usd", "eur")
MONTHS_PAID_IN_A_YEAR = 10


def add(apps: Any, schema_editor: Any) -> None:
    plan_model, pack_model, price_model = (apps.get_model("shop", name) for name in ("Plan", "Pack", "Price"))
    for position, fields in enumerate(PLANS):
        plan = plan_model.objects.create(position=position, **fields)
        monthly = MONTHLY_MINOR.get(plan.slug)
        if monthly is None:
            continue
        for currency in CURRENCIES:
            price_model.objects.create(plan=plan, interval="month", currency=currency, amount_minor=monthly)
            yearly = monthly * MONTHS_PAID_IN_A_YEAR
            price_model.objects.create(plan=plan, interval="year", currency=currency, amount_minor=yearly)
    for position, (slug, name, credits, amount) in enumerate(PACKS):
        pack = pack_model.objects.create(slug=slug, name=name, credits=credits, position=position)
        for currency in CURRENCIES:
            price_model.objects.create(pack=pack, currency=currency, amount_minor=amount)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_shop")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
