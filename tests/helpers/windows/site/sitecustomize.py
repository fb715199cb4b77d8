"""Python imports this file when it starts, if the folder is on its path."""

from tests.helpers.windows import simulate

simulate()
