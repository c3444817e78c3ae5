from django.urls import path

from generation.pages import reviews

app_name = "moderation"

urlpatterns = [
    path("reviews/", reviews.listing, name="reviews"),
    path("reviews/ask/", reviews.ask, name="ask"),
]
