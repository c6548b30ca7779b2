"""Figures as a person reads them: sizes, durations, dollars, shares, points in time. Pure."""

from datetime import UTC, datetime
from typing import Final

UNKNOWN: Final = "unknown"
_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEPS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def number(count: int) -> str:
    return f"{count:,}"


def size(count: int | None) -> str:
    """Bytes in the largest binary unit that leaves at least 1: 1.5 MiB."""
    if count is None:
        return UNKNOWN
    if count == 1:
        return "1 byte"
    scaled = float(count)
    for unit in _UNITS:
        if round(scaled, 1) < 1024 or unit == _UNITS[-1]:
            break
        scaled /= 1024
    return f"{count:,} bytes" if unit == "bytes" else f"{scaled:,.1f} {unit}"


def duration(seconds: float | None) -> str:
    """Seconds in two units at most: 0.4 s, 3 min 20 s, 2 h 5 min, 1 d 3 h."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{round(seconds, 1) if seconds < 10 else whole:g} s"
    for step, unit, smaller, small_unit in _STEPS:
        if whole >= step:
            rest = whole % step // smaller
            return f"{whole // step} {unit} {rest} {small_unit}" if rest else f"{whole // step} {unit}"
    raise AssertionError("a minute is at least a minute")


def dollars(amount: float) -> str:
    """To the cent, and below ten cents to two digits that mean something."""
    if amount == 0:
        return "$0"
    if amount < 0.0001:
        return "under $0.0001"
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.4f}"


def percent(share: float | None) -> str:
    """0 to 1 as per cent; what is not nothing never reads as 0 %, what is not all never as 100 %."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.0001:
        return "under 0.01 %"
    if 0.9999 < share < 1:
        return "over 99.99 %"
    return f"{share * 100:.2f} %".replace(".00 %", " %")


def instant(moment: datetime | None) -> str:
    return UNKNOWN if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
