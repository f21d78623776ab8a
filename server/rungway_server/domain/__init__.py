"""The rules of a search: plans, ranking, spaces, sampling. Pure functions and values: no I/O, no clock, no global
random state. Packages import only those below them: documents < space < sampling < search < experiment."""
