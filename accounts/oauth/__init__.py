"""Apps that act in a workspace for one of its members: connected by OAuth 2.1, without a key that is copied.

allauth's provider does the protocol: registration, requests, codes, PKCE, tokens. A connection is an API key without a
text (``ApiKey.is_connection``), which an app's tokens name in its place, so that whatever holds of keys (scopes, caps,
log, alerts, revocation) holds of it. This package adds what that takes, and what the protocol asks for beyond allauth:
a code or a refresh token counts once, however often it is sent at a time, and one that comes again ends the connection.
"""
