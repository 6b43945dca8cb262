"""Compiled inner loops (numba): cached on disk, without the GIL, on float32 arrays. Imported only by what calls
them.
"""
