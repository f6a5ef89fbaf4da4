"""Figures, tables, documents and the web page."""
