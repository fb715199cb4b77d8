"""Data-weighting methods, one file per method or close family. `methods.base` explains how to write one."""

from methods.discovery import discover, group, groups
from methods.registry import METHODS, register

__all__ = ["METHODS", "discover", "group", "groups", "register"]
