"""A disk that forgets what it was not made to keep, as a power cut would leave it.

Here: ``recording``, what was asked of the disk, and the images that a cut may leave;
``sqlite_files``, SQLite's own file calls, recorded, held up or failed.
"""
