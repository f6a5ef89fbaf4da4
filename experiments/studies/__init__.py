"""Configs of the studies: `study`, its name, and its options."""
