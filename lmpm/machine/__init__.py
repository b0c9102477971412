"""What this computer, or one described by a spec, offers to a model."""
