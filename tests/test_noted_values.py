"""What staff changed is in the admin's log with what it was before, and no secret and nobody's address is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from billing.shop.models import Plan, Price
from catalog.models import Alias, Model
from generation.staff.audit.acts import of_note
from loremotion.noted_values import MOST_CHARACTERS, NotesValues, values_of
from tests.accounts.factories import person
from tests.catalog.form_post import post_of
from tests.generation import factories
from tests.test_staff_acts import posted
from tests.test_staff_roles import request_of


class Form(forms.Form):
    is_on = forms.BooleanField(required=False)
    kind = forms.ChoiceField(choices=[("a", "An A"), ("b", "A B")], required=False)
    until = forms.DateTimeField(required=False)
    table = forms.JSONField(required=False)
    text = forms.CharField(required=False)
    password = forms.CharField(required=False, widget=forms.PasswordInput)
    version = forms.CharField(required=False, widget=forms.HiddenInput)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[list[str]]:
    form = Form(after, initial=before)
    assert form.is_valid(), form.errors
    return [*values_of(form)]


def test_values_are_said_as_the_form_shows_them() -> None:
    assert changed(
        {"is_on": True, "kind": "a", "until": datetime(2026, 5, 1, tzinfo=UTC), "text": "same"},
        {"kind": "b", "until": "", "text": "same"},
    ) == [["is on", "yes", "no"], ["kind", "An A", "A B"], ["until", "2026-05-01 00:00 UTC", ""]]


def test_of_a_table_the_cells_are_told_that_changed() -> None:
    before = {"table": {"draft": {"480p": 1, "720p": 2}, "final": {"480p": 5}}}
    after = {"table": '{"draft": {"480p": 1, "720p": 3}}'}
    assert changed(before, after) == [["table draft 720p", "2", "3"], ["table final", "{'480p': 5}", ""]]


def test_of_a_long_text_the_place_is_told_where_it_changed() -> None:
    same = "word " * 100
    [[_, before, after]] = changed({"text": same + "old"}, {"text": same + "new"})
    assert (before[-4:], after[-4:]) == (" old", " new")
    assert max(len(before), len(after)) <= MOST_CHARACTERS + 2


def test_no_secret_is_noted() -> None:
    assert changed({"password": "a", "version": "1"}, {"password": "b", "version": "2"}) == []


def test_every_page_of_ours_notes_values_and_none_of_a_library() -> None:
    ours = {model for model, page in admin.site._registry.items() if isinstance(page, NotesValues)}
    assert {Plan, Alias, Model, User} <= ours
    assert {model._meta.app_label for model in admin.site._registry if model not in ours} >= {"mfa", "socialaccount"}
    assert not {model for model in ours if model._meta.app_label in ("mfa", "socialaccount", "account", "auth")}


def last(staff: User) -> str:
    return of_note(LogEntry.objects.latest("id"), request_of(staff)).detail


@pytest.mark.django_db
def test_of_a_plan_and_its_prices_each_value_is_noted(admin_client: Client, admin_user: User) -> None:
    plan = Plan.objects.get(slug=Plan.FREE)
    price = Price.objects.create(plan=plan, interval="month", currency="usd", amount_minor=900)
    address = f"/admin/shop/plan/{plan.pk}/change/"
    sent = {**post_of(admin_client.get(address).text), "monthly_credits": "901"}
    del sent["prices-0-is_offered"]
    assert admin_client.post(address, sent).status_code == 302
    assert not Price.objects.get(pk=price.pk).is_offered
    assert last(admin_user) == f"monthly credits: {plan.monthly_credits} → 901 · is offered: yes → no"


@pytest.mark.django_db
def test_of_an_alias_the_models_are_named(admin_client: Client, admin_user: User) -> None:
    first, second = factories.model(slug="first"), factories.model(slug="second")
    Model.objects.filter(pk=second.pk).update(name="Another")
    alias = Alias.objects.create(name="quick", model=first)
    posted(admin_client, f"/admin/catalog/alias/{alias.pk}/change/", {"model": second.pk})
    assert last(admin_user) == f"model: {first} → Another"


@pytest.mark.django_db
def test_of_a_person_it_is_noted_what_changed_and_not_from_what(admin_client: Client, admin_user: User) -> None:
    user = person("old@example.org")
    posted(admin_client, f"/admin/accounts/user/{user.pk}/change/", {"name": "Renamed"})
    assert "values" not in LogEntry.objects.latest("id").change_message
    assert last(admin_user) == ""
