"""The tables of requests: what was asked for, how far it has come, and what the queue and its forecasts remember."""

from generation.models.files import OUTPUT_NAMES, SIGNED, Clip, Upload, manifest_key, output_key, signed_key
from generation.models.fleet_samples import FleetSample
from generation.models.forecasts import ForecastFactor, ForecastHour, ForecastMemory, ServiceRate, ToldRange
from generation.models.generation import AWAITS_ANOTHER, TRIALS_WORKSPACE, Generation
from generation.models.notifications import NotificationRequest
from generation.models.querysets import GenerationQuerySet
from generation.models.queue import FairClock, StoragePause
from generation.models.service_spans import ServiceSpan
from generation.models.spending import SpentDay
from generation.models.state import OPEN_STATES, State
from generation.models.system_samples import SystemSample

__all__ = [
    "AWAITS_ANOTHER",
    "OPEN_STATES",
    "OUTPUT_NAMES",
    "SIGNED",
    "TRIALS_WORKSPACE",
    "Clip",
    "FairClock",
    "FleetSample",
    "ForecastFactor",
    "ForecastHour",
    "ForecastMemory",
    "Generation",
    "GenerationQuerySet",
    "NotificationRequest",
    "ServiceRate",
    "ServiceSpan",
    "SpentDay",
    "State",
    "StoragePause",
    "SystemSample",
    "ToldRange",
    "Upload",
    "manifest_key",
    "output_key",
    "signed_key",
]
