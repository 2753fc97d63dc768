"""Dashboards: a file in dashboards/, held against its pipeline, as one static page."""
