"""What takes its time: another service, and a computation."""

import hashlib
import time

from flask import current_app


def line_of(order):
    """A line of CSV, with the tax, which another service computes while this one waits."""
    time.sleep(current_app.config["TAX_SECONDS"])
    return f"{order.id},{order.title},{order.price},{order.price * 19 // 100}"


def seal_of(order):
    """The seal of an order: C code that computes, and neither waits nor lets other greenlets in."""
    text, key = f"{order.id} {order.title} {order.price}", current_app.secret_key.encode()
    return hashlib.pbkdf2_hmac("sha256", text.encode(), key, current_app.config["SEAL_ROUNDS"]).hex()
