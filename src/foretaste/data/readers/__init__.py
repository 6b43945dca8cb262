"""Data sets out of files: tables in the usual formats and the well-known public data sets."""

from foretaste.data.readers.formats import Format, Table, Tables, format_names
from foretaste.data.readers.reading import Loaded, read_dataset, read_split
from foretaste.data.readers.source import Source

__all__ = ["Format", "Loaded", "Source", "Table", "Tables", "format_names", "read_dataset", "read_split"]
