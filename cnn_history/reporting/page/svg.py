"""Inline SVG: ElementTree escapes every text, and the stylesheet sets colours by class."""

from xml.etree import ElementTree

from markupsafe import Markup


def picture(width: float, height: float, title: str, kind: str) -> ElementTree.Element:
    """Return an empty picture; `title` describes it for screen readers."""
    box = f"0 0 {_number(width)} {_number(height)}"
    size = {"width": _number(width), "height": _number(height)}
    root = ElementTree.Element("svg", {"viewBox": box, **size, "class": kind, "role": "img"})
    root.set("aria-label", title)
    return root


def shape(parent: ElementTree.Element, tag: str, kind: str = "", **attributes):
    """Add a shape and return it; `title` becomes its tooltip."""
    title = attributes.pop("title", None)
    values = {name.replace("_", "-"): _number(value) for name, value in attributes.items()}
    element = ElementTree.SubElement(parent, tag, values)
    if kind:
        element.set("class", kind)
    if title:
        ElementTree.SubElement(element, "title").text = title
    return element


def text(parent: ElementTree.Element, x: float, y: float, words: str, kind: str = "", **attributes):
    """Add a text at (x, y) and return its element."""
    element = shape(parent, "text", kind, x=x, y=y, **attributes)
    element.text = words
    return element


def path(parent: ElementTree.Element, points: list[tuple[float, float]], kind: str = "flow"):
    """Add a polyline through points and return its element."""
    d = "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return shape(parent, "path", kind, d=d)


def markup(root: ElementTree.Element) -> Markup:
    """Return the picture as markup for a page."""
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _number(value) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
