"""What every view of the API has in common: how it reads a body, and how it knows who is asking."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.parsers import get_encoding as text_encoding  # type: ignore[attr-defined]  # not in its stubs
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils import json
from rest_framework.views import APIView

from accounts import tenancy
from accounts.authentication import CallerAuthentication
from accounts.caller import Caller
from accounts.roles import Action
from generation.api.field_words import refusal_of
from loremotion import parameters
from loremotion.parameters import printable
from loremotion.refusals import Invalid

CSRF_FIELD: Final = "csrfmiddlewaretoken"
KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list"),
)
"""What a body of JSON may be that is no object, as people call it."""
_NESTED: Final = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")


class StrictJsonParser(JSONParser):
    """JSON of which nothing is left out: of a name that comes twice, Python takes the last. What is nested too deeply
    to be read is bad input, not our failure."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            text = codecs.getreader(text_encoding(parser_context or {}))(stream).read()
            text = text.removeprefix("\ufeff")  # which shells of Windows put before what they write into a file
            return json.loads(text, parse_constant=json.strict_constant, object_pairs_hook=_object_of)
        except ValueError as problem:
            is_long = "set_int_max_str_digits" in str(problem)  # Python's advice, to whoever runs it
            cause = "a number has thousands of digits" if is_long else problem
            raise ParseError(f"The body isn't valid JSON: {cause}.") from problem
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises Invalid where a name comes twice."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _repeated(name)
        made[name] = value
    return made


class StrictFormParser(MultiPartParser):
    """A form with files. What is wrong with it is said by whoever answers for Django's own errors, not by DRF."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except ParseError as problem:
            raise problem.__context__ or problem from None


class JsonAlways(DefaultContentNegotiation):
    """Answers in JSON, whatever the caller would rather have: there is nothing else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        found: BaseParser | None = super().select_parser(request, parsers)
        if found is None:
            most: int = self.max_media_type_length  # type: ignore[attr-defined]  # not in its stubs
            if (length := len(request.content_type)) > most:
                words = f"The Content-Type is {length} characters long, and {most} are read."
                raise UnsupportedMediaType("", f"{words} Leave that header to your HTTP client.")
            kinds = ", ".join(parser.media_type for parser in parsers if parser.media_type)
            raise UnsupportedMediaType("", f"Bodies of this Content-Type aren't read here. Send one of: {kinds}.")
        return found

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class Nothing(serializers.Serializer[Any]):
    """The body of what is asked for by the address alone."""


class VideoView(APIView):
    """Callers are known by API key, or by the cookies of the site."""

    parser_classes = [StrictJsonParser, StrictFormParser, FormParser]
    content_negotiation_class = JsonAlways
    authentication_classes = [CallerAuthentication]
    PARAMETERS: ClassVar[frozenset[str]] = parameters.NONE
    """Of a ``GET``, behind the ? of its address."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse, once it is known who asks, what nobody would read: a body in another coding, what a ``POST`` says in
        its address, and in that of anything else what is none of its parameters."""
        super().initial(request, *args, **kwargs)
        if (coding := request.headers.get("Content-Encoding", "identity").lower()) != "identity":
            self.headers["Accept-Encoding"] = "identity"
            raise UnsupportedMediaType("", f"The body is coded as {coding!r}. Send it as it is, without compression.")
        if request.method != "POST":
            parameters.refuse_unknown(request.query_params, self.PARAMETERS)
        elif (name := next(iter(request.query_params), None)) is not None:
            raise unknown_field(
                name, next_step="Send what you ask for in the body, and nothing behind a ? in the address."
            )

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
    """The body, checked for shape, of which nothing is left out in silence.

    Raises:
        Invalid: names the field, or what is no field of this request.
    """
    return validate(serializer, _unfolded(request.data), partial=partial)


def validate(serializer: type[serializers.Serializer[Any]], sent: Any, *, partial: bool = False) -> dict[str, Any]:
    """What was sent as a body, or as a part of one. Raises as ``read``."""
    if not isinstance(sent, Mapping):
        kind = next((name for types, name in KINDS if isinstance(sent, types)), "null")
        raise Invalid("invalid_body", f"The body is {kind}.", next_step='Send an object, such as {"prompt": "a fox"}.')
    body = serializer(data=sent, partial=partial)
    _refuse_unknown(sent, body.fields, getattr(serializer, "ALSO_CALLED", {}))
    if not body.is_valid():
        field, problems = next(iter(body.errors.items()))
        raise refusal_of(field, body.fields[field], problems)
    return dict(body.validated_data)


def unknown_field(name: str, *, field: str = "", next_step: str) -> Invalid:
    """The refusal of what would otherwise be left out, and the clip paid for though it is not what was asked for."""
    name = printable(name)
    return Invalid("unknown_field", f"This request has no field {name!r}.", next_step=next_step, field=field or name)


def _unfolded(data: Any) -> Any:
    """A form's ``video[id]`` as JSON spells it, ``{"video": {"id": …}}``; JSON as it is."""
    if not isinstance(data, QueryDict):
        return data
    unfolded: MultiValueDict[str, Any] = MultiValueDict()
    for name, values in data.lists():
        nested = _NESTED.fullmatch(name)
        if name == CSRF_FIELD:
            continue
        parameters.refuse_unreadable(name, values)
        if nested is None:
            unfolded.setlist(name, [*unfolded.getlist(name), *values])
        else:
            unfolded.setlist(nested[1], [*unfolded.getlist(nested[1]), *({nested[2]: value} for value in values)])
    return unfolded


def _refuse_unknown(sent: Mapping[str, Any], fields: Mapping[str, Any], also_called: Mapping[str, str]) -> None:
    for name in sent:
        if name not in fields:
            near = _nearest(str(name), fields, [other for other, own in also_called.items() if own in fields])
            step = f"Did you mean {also_called.get(near, near)!r}?" if near else "Leave it out."
            raise unknown_field(str(name), next_step=step)
        is_list = isinstance(fields[name], serializers.ListField)
        if isinstance(sent, MultiValueDict) and len(sent.getlist(name)) > 1 and not is_list:
            raise _repeated(name)


def _repeated(name: str) -> Invalid:
    name = printable(name)
    return Invalid("repeated_field", f"{name} came more than once.", next_step="Send it once.", field=name)


_LIKE: Final = 0.7
"""How like one another two names are of which one may be meant for the other; below it, ``style`` is like ``steps``."""


def _nearest(name: str, fields: Collection[str], others: Sequence[str]) -> str:
    """The one of ``fields``, or of the ``others`` that stand for them, that ``name`` may mean; empty if none."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    begins_with = words.partition("_")[0]
    if words not in others and begins_with in fields:
        return begins_with
    return next(iter(get_close_matches(words, [*fields, *others], n=1, cutoff=_LIKE)), "")
