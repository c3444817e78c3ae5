"""Sign-in through providers that speak OpenID Connect, Google among them.

allauth does the walk. This package adds what it leaves to trust in TLS and in providers: every ID token is verified and
bound to the browser that asked, and an address that nobody has proved opens and begins no account.
"""
