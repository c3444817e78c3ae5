"""Keys that workspaces bring for other people's APIs: kept sealed, used for their own remote clips, and never read."""
