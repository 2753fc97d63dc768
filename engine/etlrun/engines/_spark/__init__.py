"""The Spark session: starts it, runs statements on it, and explains its errors."""
