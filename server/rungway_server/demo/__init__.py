"""A whole search on one machine: the service, workers that train real models, one of them killed on the way."""
