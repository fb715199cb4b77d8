"""Reads rows, unchecked, from files, folders, the Hugging Face hub and the files of the course."""
