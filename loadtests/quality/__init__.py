"""How good the searches are, beside other libraries and by real training."""
