"""Formats amounts of money: `$12.30`, `$0.0312`, `$0.000031`, `$0`."""

from __future__ import annotations

import math

LEAST = 1e-6


def dollars(usd: float) -> str:
    """US dollars with enough digits that amounts below a cent are not shown as zero."""
    if not usd:
        return "$0"
    if abs(usd) < LEAST:
        return f"less than ${LEAST:.6f}"
    if abs(usd) >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.{max(4, 1 - math.floor(math.log10(abs(usd))))}f}"
