"""The addresses of the protocol: allauth's, with consent for a workspace, and answers that any page may read."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from allauth.core.internal.httpkit import add_query_params
from allauth.idp.oidc import views
from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.forms import ClientRegistrationForm
from allauth.idp.oidc.internal.oauthlib.server import get_server
from allauth.idp.oidc.internal.oauthlib.utils import convert_response, extract_params, respond_html_error
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from accounts import passwords, tenancy
from accounts.models import Membership
from accounts.oauth import connections
from accounts.oauth.adapter import LOOPBACK, host_of, is_registered, origin_of
from accounts.oauth.forms import ConsentForm
from accounts.origins import read_origins
from accounts.roles import OFFERED_TO_APPS, Action
from loremotion.refusals import Forbidden, Invalid, Refusal
from loremotion.row_security import across_workspaces

AUTH_METHODS: Final = ["none", "client_secret_basic", "client_secret_post"]
GRANT_TYPES: Final = [connections.CODE, connections.REFRESH]
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ACROSS: Final = "an app has no workspace before its code or token names one"


class Readable(View):
    """An address that pages of any site may ask, since it knows nobody by a cookie."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        response["Access-Control-Allow-Origin"] = "*"
        response.headers.setdefault("Cache-Control", "no-store")
        if request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = response.get("Allow", "GET, POST")
            response["Access-Control-Allow-Headers"] = "Authorization, *"
        return response


class Metadata(Readable):
    """What this site says of itself as an authorization server, by RFC 8414."""

    def get(self, request: HttpRequest) -> JsonResponse:
        addresses = {
            "authorization_endpoint": "authorization",
            "token_endpoint": "token",
            "registration_endpoint": "client_registration",
            "revocation_endpoint": "revoke",
        }
        said = {name: settings.SITE_URL + reverse(f"idp:oidc:{view}") for name, view in addresses.items()}
        return JsonResponse(
            {
                "issuer": settings.SITE_URL,
                **said,
                "scopes_supported": list(OFFERED_TO_APPS),
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": GRANT_TYPES,
                "token_endpoint_auth_methods_supported": AUTH_METHODS,
                "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "service_documentation": f"{settings.SITE_URL}/developers/",
            }
        )


@method_decorator(csrf_exempt, name="dispatch")
class Registration(Readable, views.ClientRegistrationView):
    """An app makes itself known (RFC 7591), which lets it ask and do nothing else."""

    @transaction.atomic
    def _form_valid(
        self, form: ClientRegistrationForm, *, client_metadata: dict[str, Any], **more: Any
    ) -> HttpResponse:
        """Keep the app. allauth would hash two secrets as slowly as a password, before anything counts it."""
        refusal: HttpResponse | None = self._ratelimit()[1]
        if refusal is not None:
            return refusal
        said = form.cleaned_data
        secret = get_adapter().generate_client_secret()
        client = Client(name=said["client_name"], secret=make_password(secret, hasher=passwords.RandomSecret()))
        is_public = said["token_endpoint_auth_method"] == Client.AuthenticationMethod.NONE
        client.type = Client.Type.PUBLIC if is_public else Client.Type.CONFIDENTIAL
        client.set_redirect_uris(said["redirect_uris"])
        refusal = self._perform_custom_validation(client=client, client_metadata=client_metadata, **more)
        if refusal is not None:
            return refusal
        client.save(force_insert=True)
        return JsonResponse(self._serialize_client(client, form, secret), status=201)


@method_decorator(csrf_exempt, name="dispatch")
class Token(Readable, views.TokenView):
    """A code or refresh token for tokens, each once."""

    def post(self, request: HttpRequest) -> HttpResponse:
        if request.POST.get("grant_type") not in GRANT_TYPES:
            return _error("unsupported_grant_type", f"grant_type is one of {', '.join(GRANT_TYPES)}, in a form.")
        with across_workspaces(_ACROSS), transaction.atomic():
            proof = connections.prove(request.POST)
            if proof is None:
                return _error("invalid_grant", "The code or refresh token doesn't hold. Connect the app again.")
            self.proof = proof
            try:
                response: HttpResponse = super().post(request)
            except ValidationError as error:
                return _error("invalid_target", str(error.message))
            if response.status_code == 200:
                connections.accept(proof, json.loads(response.content))
            return response

    def _create_token_response(self, request: HttpRequest, **_: Any) -> HttpResponse:
        server = get_server()
        server.default_token_type.refresh_token_generator = lambda _: connections.new_refresh_token(self.proof.key)
        response: HttpResponse = convert_response(*server.create_token_response(*extract_params(request)))
        return response


@method_decorator(csrf_exempt, name="dispatch")
class Revocation(Readable, views.RevokeView):
    """Any token of a connection ends all of it (RFC 7009)."""

    def post(self, request: HttpRequest) -> HttpResponse:
        with across_workspaces(_ACROSS), transaction.atomic():
            connections.end_by_token(request.POST.get("token", ""))
            response: HttpResponse = super().post(request)
            if response.status_code != 200:
                transaction.set_rollback(True)
            return response


@method_decorator([never_cache, csrf_exempt], name="dispatch")  # allauth's checks the token itself, of its own form
class Authorization(views.AuthorizationView):
    """Asks whoever is signed in whether an app may act for them, in which workspace, and what it may spend."""

    form_class = ConsentForm
    template_name = "accounts/oauth/consent.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The answer; where it leads back to the app it names this site (RFC 9207), and an error is none in its status.

        Raises:
            Forbidden: nobody is here who could connect an app.
        """
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        self.places = _places_of(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        if "Location" in response and not isinstance(response, HttpResponseRedirectBase):
            response["Location"] = add_query_params(response["Location"], {"iss": settings.SITE_URL})
        elif response.status_code == 200 and not isinstance(response, TemplateResponse):
            response.status_code = 400  # allauth's page for what it could not send back
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        client = Client.objects.filter(id=request.GET.get("client_id", "")).first()
        asked = request.GET.getlist("redirect_uri")
        if client is not None and not all(is_registered(uri, client.get_redirect_uris()) for uri in asked):
            # allauth reads past what is added to a query, and stumbles over odd ports.
            odd = ValidationError("It would be sent back to an address that it did not register.")
            refusal: HttpResponse = respond_html_error(request, error=odd)
            return refusal
        response: HttpResponse = super().get(request, *args, **kwargs)
        said = getattr(self, "_request_info", None)
        if isinstance(response, TemplateResponse) and said is not None and not _is_bound(said):
            return self._back(error="invalid_request", error_description="PKCE with S256 is required.")
        return response

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "places": self.places}

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**more)
        redirect = self._request_info["redirect_uri"]
        host = host_of(redirect)
        return {
            **context,
            "name": self._name(context),
            "goes_to": host or origin_of(redirect),
            "is_near": host in LOOPBACK,
            "is_an_app": host is None,
        }

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        """The page. Its form may lead back to the app, which browsers ask the policy about."""
        response: HttpResponse = super().render_to_response(context, **more)
        vars(response)["_csp_update"] = {"form-action": [origin_of(self._request_info["redirect_uri"])]}
        return response

    def form_invalid(self, form: ConsentForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response

    def form_valid(self, form: ConsentForm) -> HttpResponse:
        said = form.cleaned_data
        try:
            with across_workspaces("a person connects an app in whichever of their workspaces"), transaction.atomic():
                context = self.get_context_data(form=form)
                key = connections.begin(
                    client=context["client"],
                    place=said["workspace"],
                    name=context["name"],
                    scopes=said["scopes"],
                    daily_cap_credits=said["daily_cap_credits"],
                    monthly_cap_credits=said["monthly_cap_credits"],
                    origins=_pages_of(self._request_info["redirect_uri"]),
                )
                response: HttpResponse = super().form_valid(form)
                codes = parse_qs(urlsplit(response.get("Location", "")).query).get("code", [])
                if len(codes) == 1:
                    challenge = self._request_info["code_challenge"]
                    connections.await_code(codes[0], key, challenge=challenge, expires_at=said["expires_on"])
                else:
                    transaction.set_rollback(True)
        except Refusal as refusal:
            form.add_refusal(refusal)
            return self.form_invalid(form)
        return response

    def _skip_consent(self) -> HttpResponse:
        """Nobody's app goes without being asked about."""
        return self.render_to_response(self.get_context_data())

    def _back(self, **said: str) -> HttpResponse:
        state = self._request_info.get("state")
        said |= {"state": state} if state else {}
        return HttpResponse(
            status=302, headers={"Location": add_query_params(self._request_info["redirect_uri"], said)}
        )

    def _name(self, context: dict[str, Any]) -> str:
        redirect = self._request_info["redirect_uri"]
        return (context["client"].name or host_of(redirect) or origin_of(redirect))[:80]


def _places_of(request: HttpRequest) -> list[Membership]:
    """Where whoever asks may connect an app, the workspace that they are in first."""
    caller = tenancy.caller_of(request)
    every = sorted(caller.memberships, key=lambda place: place.workspace_id != getattr(caller.workspace, "id", None))
    places = [place for place in every if Action.MANAGE_KEYS in tenancy.actions_of(place)]
    if not places:
        raise Forbidden(
            "no_keys",
            _("An app is connected by whoever manages a workspace's API keys."),
            next_step=_("Ask an owner or admin of the team, or connect it to a workspace of your own."),
        )
    return places


def _pages_of(redirect: str) -> list[str]:
    """The origin of the app's pages, where whoever agreed is sent back to one."""
    try:
        return read_origins(origin_of(redirect)) if host_of(redirect) is not None else []
    except Invalid:  # such as of a host that browsers have no name for: a program may be there all the same
        return []


def _is_bound(said: dict[str, Any]) -> bool:
    """Whether the code will be good for whoever asked alone: allauth takes an empty challenge, and a plain one."""
    return said.get("code_challenge_method") == "S256" and bool(_CHALLENGE.fullmatch(said.get("code_challenge") or ""))


def _error(code: str, words: str) -> JsonResponse:
    return JsonResponse({"error": code, "error_description": words}, status=400)
