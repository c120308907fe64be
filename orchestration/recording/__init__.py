"""What people tell the system themselves: by command, by workbook, and when a programme starts."""
