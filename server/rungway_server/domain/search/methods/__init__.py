"""The search methods: each is a pure function from a searcher's configuration to a plan of brackets and rungs.

To add one, write such a function (`simple.py` has the shortest, `asynchronous.py` the usual shape: lengths, trials and
shares per bracket, put together by `bracket_of` and `plan_of`), name it in `SearcherName` and list its keys in `KEYS`
(both in `config.py`), and add it to the table `_PLANNERS` of `planning.py`. The engine needs no change, because it runs
plans.
"""
