"""Running the system for years: backup, restore, retention."""
