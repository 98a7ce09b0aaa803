-- class: crash
-- attack: the process is ended from inside.
-- expect: ERR
-- within: 50
os.exit(3, false)
