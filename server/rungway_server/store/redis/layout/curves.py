"""Curves and the list of the best as they are stored: scripts take these numbers from here."""

import struct

from rungway_server.service.port import MOST_BEST

POINT = struct.Struct(">Q8s")
"""A point of a curve: its length, and the sort key of its metric."""
CURVE_PIECE = 16
"""Points of a curve in each piece. The last ones, while they are fewer, are in the trial's record."""
KEPT_BEST = MOST_BEST
"""Trials in the list of the best."""
