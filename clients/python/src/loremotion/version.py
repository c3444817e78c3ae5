"""The release, as the User-Agent and ``loremotion --version`` have it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("loremotion")
except PackageNotFoundError:  # run from its sources
    __version__ = "0"
