"""The door of the data set: tables of any make, checked, counted and turned into compact columns."""
