"""The targets, a file each: what each gets of a locked model."""
