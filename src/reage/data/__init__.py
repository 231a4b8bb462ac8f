"""From face archives and folders to split, labelled TFRecords."""
