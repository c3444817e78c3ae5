"""What people's files are and how they are decoded. ``formats`` and ``heif`` read bytes and import nothing."""
