"""Data-weighting methods: one file per method or close family. See `methods.base` for the contract."""

from methods.discovery import discover, group, groups
from methods.registry import METHODS, register

__all__ = ["METHODS", "discover", "group", "groups", "register"]
