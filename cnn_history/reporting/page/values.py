"""Values as text for readers; the templates do the escaping."""

import numbers
from typing import Any

from cnn_history.reporting.benchmarks import UNITS


def cell(value: Any) -> str:
    """Return a value as a table's text: numbers to four digits, groups as `name=value`."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case numbers.Integral():
            return f"{value:,}"
        case numbers.Real():
            return f"{value:.4g}"
        case dict():
            return ", ".join(
                f"{name} ({cell(item)})" if isinstance(item, dict) else f"{name}={cell(item)}"
                for name, item in value.items()
            )
        case list() | tuple():
            return ", ".join(map(cell, value))
    return str(value)


def short(number: float) -> str:
    """Return a number with three digits and a unit: 61.7 k, 7.00 M, 11.3 G."""
    size, unit = next((it for it in UNITS if number >= it[0]), UNITS[-1])
    return f"{number / size:#.3g}".removesuffix(".") + f" {unit}" if unit else f"{number:.3g}"


def percent(fraction: float) -> str:
    """Return a fraction as percent: 1.22 %."""
    return f"{100 * fraction:.2f} %"
