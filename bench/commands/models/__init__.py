"""Commands that train a single model or use one."""
