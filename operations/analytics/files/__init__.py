"""The files of a run as tables, in the database process: nothing is lost without a warning.

loader      opens each file by its content, and makes its tables
kinds       what a file is, by its first bytes; what is no table is refused by name
unpack      gzip, bzip2, Zstandard and ZIP, within limits
text        bytes as UTF-8: byte order marks, UTF-8, cp1252, Shift-JIS
dialect     delimiter, lines before the header, and header, by the first lines
records     the records of a delimited text, whatever its quotes and line ends
delimited   a delimited text as a table
columns     the types of columns: one is taken where every value comes back as its own text
readings    those types, and the notations of numbers and times, as SQL
sheets      spreadsheets
documents   JSON and lines of JSON
arrow       Arrow and Feather
notes       the warnings of one table
"""
