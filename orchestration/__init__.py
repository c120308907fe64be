"""LMS adoption review: from raw LMS and HR files to a delivered executive review."""
