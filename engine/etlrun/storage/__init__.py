"""Lists, downloads and writes objects of object stores."""
