"""`rungway mirror`: shows a search in a tool that its users look at anyway, without a line in their training code."""
