"""Floating seats, kept whatever the network does.

    from coditect_client import Client

    with Client("https://example.com", "render", "2.1").acquire() as seat:
        while seat.usable:
            work()
"""

from .borrow import Borrowing
from .client import Client, Seat
from .errors import LicenseError
from .machine import Notice
from .offline import OfflineLicense, verify

__all__ = ["Borrowing", "Client", "LicenseError", "Notice", "OfflineLicense", "Seat", "verify"]
