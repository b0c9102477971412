"""What an audit or a verification found, in the formats of other tools."""
