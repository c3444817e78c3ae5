"""Codes by which the website knows why an attempt failed: ``RenderError.code``. They never change their meaning."""

from __future__ import annotations

UPLOAD_FAILED = "upload_failed"
DISK_FULL = "disk_full"
STORAGE_ERRORS = frozenset({UPLOAD_FAILED, DISK_FULL})
"""Of attempts whose clip could not be put anywhere: no fault of the clip's, and the next one's too."""
NOT_STORED = "The finished clip could not be stored."
"""All that people are told of it: what the worker says besides names servers, folders and signed addresses."""
HANDED_BACK = "handed_back"
"""Of a render that its worker gave back because it had to leave: nobody's fault."""
STEPPED_ASIDE = "stepped_aside"
"""Of a render that let a short one go first, and goes on from its snapshot after that."""
DOES_NOT_FIT = "does_not_fit"
"""Of a render that needs more memory than any machine that is on has."""
CLIP_BROKEN = "clip_broken"
"""Of a clip that came out black, uniform, as noise or silent: another seed may do better."""

OWN_KEY_REFUSED = "own_key_refused"
"""Of a clip whose provider does not take the key that the workspace brought."""
OWN_KEY_UNOPENED = "own_key_unopened"
"""Of a clip whose key no remote worker could open."""

CLIP_EXPLICIT = "clip_explicit"
"""Of a clip that the site keeps back for what its pictures show."""
