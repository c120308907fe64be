"""dbt on DuckDB: folding, models, tests, and the publication of tested figures."""
