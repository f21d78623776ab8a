"""Reading documents: values of any kind, key by key, with every violation noted."""
