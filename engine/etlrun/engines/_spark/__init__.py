"""The Spark session: how it starts, how it works, and what its errors mean."""
