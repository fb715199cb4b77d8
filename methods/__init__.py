"""Data-weighting methods, one file per method or close family. `methods.base` explains how to write one."""

from methods.discovery import discover, group, group_names
from methods.loop import get
from methods.registry import METHODS, register

__all__ = ["METHODS", "discover", "get", "group", "group_names", "register"]
