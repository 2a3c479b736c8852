"""The store on SQLAlchemy Core schema and SQLite."""
