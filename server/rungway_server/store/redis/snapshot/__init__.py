"""Everything Redis holds of one experiment, as of one moment: exported, imported, audited."""
