"""Client for LoreMotion: prompts to video clips with open models.

from loremotion import Client

with Client(api_key="lm_…", base_url="https://clips.example") as client:
    video = client.generate("a red circle moving right on a black background", seconds=2)
    client.download(video, "clip.mp4")
"""

from loremotion.asynchronous import AsyncClient
from loremotion.calls import BatchClip, ClipOptions
from loremotion.client import Client
from loremotion.errors import (
    ApiError,
    AuthenticationError,
    ClipFailed,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    LoreMotionError,
    NotConfigured,
    NotFound,
    OutOfCredits,
    PermissionDenied,
    RateLimited,
    ServerError,
    WaitTimedOut,
)
from loremotion.objects import (
    Cap,
    Character,
    Cost,
    Credits,
    Event,
    Me,
    Model,
    Queue,
    Quote,
    Spent,
    Usage,
    UsageLine,
    Video,
    VideoError,
    VideoPage,
)
from loremotion.storyboards import Scene, Storyboard
from loremotion.version import __version__

__all__ = [
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "BatchClip",
    "Cap",
    "Character",
    "Client",
    "ClipFailed",
    "ClipOptions",
    "Conflict",
    "ConnectionFailed",
    "Cost",
    "Credits",
    "Event",
    "InvalidRequest",
    "LoreMotionError",
    "Me",
    "Model",
    "NotConfigured",
    "NotFound",
    "OutOfCredits",
    "PermissionDenied",
    "Queue",
    "Quote",
    "RateLimited",
    "Scene",
    "ServerError",
    "Spent",
    "Storyboard",
    "Usage",
    "UsageLine",
    "Video",
    "VideoError",
    "VideoPage",
    "WaitTimedOut",
    "__version__",
]
