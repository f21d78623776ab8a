"""Curves as they are stored: scripts take these numbers from here."""

import struct

POINT = struct.Struct(">Q8s")
"""A point of a curve: its length, and the sort key of its metric."""
CURVE_PIECE = 16
"""Points of a curve in each piece. The last ones, while they are fewer, are in the trial's record."""
