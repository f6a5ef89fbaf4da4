"""Templates of documents."""

from typing import Any

import jinja2


def environment(package: str, **options: Any) -> jinja2.Environment:
    """Return the templates of a package; an undefined name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
