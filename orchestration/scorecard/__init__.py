"""From published KPI marts to one typed scorecard: signals, marks, decisions."""
