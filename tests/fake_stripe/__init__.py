"""A Stripe of our own, for tests and ``make run STRIPE=fake``: a stateful server on loopback with Stripe's API.

It is a process of its own, reached over HTTP only. What keeps it honest: every request's parameters are checked against
the types of the installed ``stripe`` library (unknown or mistyped ones are refused as Stripe refuses them), signatures
are the library's own, idempotency keys behave as documented, and what an object says follows from what was done to it.
It knows nothing of the site, and the site knows nothing of it but an address.
"""
