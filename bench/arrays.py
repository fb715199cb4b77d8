"""Types of arrays. A comment where one is declared gives the shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = np.ndarray[Any, Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
# Of one thing, or (...) of several.
Value = float | FloatArray
Whole = int | IntArray
