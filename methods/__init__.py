"""Data-weighting methods: one file per method or close family. See `methods.base` for the contract."""

from methods.registry import METHODS, discover, group, groups, register

__all__ = ["METHODS", "discover", "group", "groups", "register"]
