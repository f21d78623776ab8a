"""The results of a search as tables and pictures, all read at one moment. Nothing here is imported with `rungway` that
the client does not need itself: pandas, narwhals and matplotlib are imported where they are used."""
