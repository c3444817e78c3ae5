from __future__ import annotations

import argparse
from pathlib import Path

from tests.fake_stripe.server import serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fake_stripe", description="An imitation of Stripe.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--webhook-url", default="", help="Where events go; without it they are only kept.")
    parser.add_argument("--secret", default="whsec_fake", help="Signs the events.")
    parser.add_argument("--state", type=Path, help="A file in which everything outlives the process.")
    asked = parser.parse_args()
    serve(asked.port, webhook_url=asked.webhook_url, secret=asked.secret, path=asked.state)
