"""Dashboards: checks a file in dashboards/ against its pipeline, and builds one static page from it."""
