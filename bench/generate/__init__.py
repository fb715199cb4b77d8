"""Generates labelled texts with a language model: prompts, backends, and a journal that a killed run continues."""
