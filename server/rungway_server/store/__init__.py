"""Implementations of the store port (`rungway_server.service.port`)."""
