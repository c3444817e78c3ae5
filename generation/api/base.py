"""What every view of the API has in common: how it reads a body, and how it knows who is asking."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import tenancy
from accounts.authentication import CallerAuthentication
from accounts.caller import Caller
from accounts.roles import Action
from loremotion.refusals import Invalid


class ShallowJsonParser(JSONParser):
    """JSON that is nested too deeply to be read is bad input, not our failure."""

    def parse(self, stream: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(stream, *args, **kwargs)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


class VideoView(APIView):
    """Callers are known by API key, or by the cookies of the site."""

    parser_classes = [ShallowJsonParser, MultiPartParser, FormParser]
    authentication_classes = [CallerAuthentication]

    @property
    def site_request(self) -> HttpRequest:
        """The request as pages get it, below DRF's."""
        return self.request._request

    def caller(self, action: Action) -> Caller:
        """Who is asking, once it is certain that they may do ``action``. Raises as ``tenancy.caller_for``."""
        return tenancy.caller_for(self.site_request, action)

    @property
    def actor(self) -> str:
        """How the audit log calls whoever is asking."""
        return tenancy.caller_of(self.site_request).name


def read(serializer: type[serializers.Serializer[Any]], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The body, checked for shape.

    Raises:
        Invalid: names the field.
    """
    body = serializer(data=request.data, partial=partial)
    if not body.is_valid():
        field, problems = next(iter(body.errors.items()))
        raise Invalid(f"invalid_{field}", f"{field}: {_first(problems)}", field=field)
    return dict(body.validated_data)


def _first(problems: Any) -> Any:
    while isinstance(problems, (list, dict)):
        problems = next(iter(problems.values() if isinstance(problems, dict) else problems))
    return problems
