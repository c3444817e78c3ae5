from django.urls import path

from billing.shop import views, webhook

app_name = "shop"

urlpatterns = [
    path("pricing/", views.pricing, name="pricing"),
    path("billing/", views.credits, name="credits"),
    path("billing/movements.csv", views.movements_csv, name="movements-csv"),
    path("billing/budget/", views.set_budget, name="set-budget"),
    path("billing/buy/", views.buy, name="buy"),
    path("billing/orders/<uuid:order_id>/", views.order, name="order"),
    path("billing/plan/change/", views.change_plan, name="change-plan"),
    path("billing/plan/keep/", views.keep_plan, name="keep-plan"),
    path("billing/plan/cancel/", views.cancel_plan, name="cancel-plan"),
    path("billing/portal/", views.portal, name="portal"),
    path("stripe/webhook/", webhook.receive, name="webhook"),
]
