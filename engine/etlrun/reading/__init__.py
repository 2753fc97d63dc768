"""Reads files into rows: finds the files, parses each record, and keeps broken records apart."""
