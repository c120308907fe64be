"""From one typed Scorecard to the files that people read: pages, pack and email."""
