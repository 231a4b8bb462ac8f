"""Ages a store of photos on many machines, each photo exactly once.

A worker reads a photo, ages it, puts the result where the photo's path says, and then puts a
record: a small JSON file with a row for each face. Both are put whole or not at all. The record's
name is made of the photo's path, of its size and time of change, and of what was asked for, so it
says by its mere presence that this photo is finished in this way. From this follows the rest:

- A run lists both stores, and leaves out the photos whose record and result are there. Records of
  older versions of a photo are taken away first, for they speak of what is about to be replaced.
- A worker may die anywhere. Whoever takes over its photos leaves out those with a record and does
  the others again, with the same bytes under the same names.
- At the end the records of the photos that are there become one Parquet file. A photo has one name
  and so one record: no row comes twice, and none is missing.

A photo that kills its worker again and again is given up; see `starts`.
"""
